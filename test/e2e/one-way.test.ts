/** Links that are cut one way: who cannot be heard leads no longer than an election timeout, who
 *  cannot hear disturbs nobody, and nothing acknowledged is lost (known bugs 65 and 67). */
import { describe, expect, it } from "vitest";
import { type Running, until } from "./harness.ts";
import { lan, type Machine, noLanReason } from "./lan.ts";

/** Longer than the default: what is asked is whether a link makes an election, not whether a busy
 *  machine does. */
const FLAGS = ["--election", "1500ms"] as const;
/** More than three of the longest election timeouts. */
const QUIET_MS = 9_000;

interface Cluster {
  readonly machines: readonly Machine[];
  readonly nodes: readonly Running[];
  readonly leader: Machine;
  readonly leaderId: number;
  readonly others: readonly Machine[];
}

async function founded(): Promise<Cluster> {
  const machines = lan(3);
  const nodes = machines.map((machine, at) => machine.up(at + 1, ...FLAGS));
  await Promise.all(nodes.map((node) => node.waitForLine(/\bready:/, 60_000)));
  const { id: leaderId } = await leaderOf(machines[0] as Machine);
  const leader = machines[leaderId - 1] as Machine;
  const others = machines.filter((machine) => machine !== leader);
  return { machines, nodes, leader, leaderId, others };
}

async function leaderOf(machine: Machine): Promise<{ id: number; term: number }> {
  const answer = await machine.must(["leader", "--wait", "--json", "--timeout", "20s"]);
  return JSON.parse(answer) as { id: number; term: number };
}

/** Entries typed one after the other at one machine until told to stop; all that were
 *  acknowledged. */
function load(machine: Machine): { stop: () => Promise<string[]> } {
  const acknowledged: string[] = [];
  const stopped = new AbortController();
  const run = async (): Promise<void> => {
    for (let number = 0; !stopped.signal.aborted; number++) {
      const sent = await machine.run(["send", "-q", `entry ${number}`, "--timeout", "20s"]);
      expect(sent).toMatchObject({ code: 0 });
      acknowledged.push(`entry ${number}`);
    }
  };
  const running = run();
  const stop = async (): Promise<string[]> => {
    stopped.abort();
    await running;
    return acknowledged;
  };
  return { stop };
}

async function replacedWhen(
  cut: (cluster: Cluster) => void,
  heal: (cluster: Cluster) => void,
): Promise<void> {
  const cluster = await founded();
  const { leader, leaderId, others, machines } = cluster;
  const sender = load(others[0] as Machine);
  cut(cluster);
  await until("another leader", async () => (await leaderOf(others[1] as Machine)).id !== leaderId);
  await (others[1] as Machine).must(["send", "-q", "meanwhile", "--timeout", "20s"]);
  const acknowledged = await sender.stop();
  const successor = await leaderOf(others[1] as Machine);
  heal(cluster);
  await until(
    "all three are healthy",
    async () => (await leader.run(["status", "--check"])).code === 0,
  );
  // Coming back disturbs nobody.
  expect(await leaderOf(leader)).toEqual(successor);
  for (const machine of machines) {
    const log = (await machine.must(["log", "--raw"])).trim().split("\n");
    expect(log.filter((line) => line !== "meanwhile")).toEqual(acknowledged);
  }
}

describe.skipIf(noLanReason !== null)("a link that is cut one way", () => {
  it("from the leader: it is replaced under load, and nothing is lost", () =>
    replacedWhen(
      ({ leader, others }) => {
        for (const other of others) other.hearNot([leader.address]);
      },
      ({ others }) => {
        for (const other of others) other.hearNot([]);
      },
    ));

  it("to the leader: it is replaced under load, and nothing is lost", () =>
    replacedWhen(
      ({ leader, others }) => leader.hearNot(others.map(({ address }) => address)),
      ({ leader }) => leader.hearNot([]),
    ));

  it("to a follower: it raises no terms, and follows again when it hears again", async () => {
    const { leader, leaderId, others, nodes } = await founded();
    const before = await leaderOf(leader);
    const [deaf, hearing] = others as [Machine, Machine];
    deaf.hearNot([leader.address, hearing.address]);
    const startedMs = performance.now();
    for (let number = 0; performance.now() - startedMs < QUIET_MS; number++) {
      await hearing.must(["send", "-q", `entry ${number}`, "--timeout", "20s"]);
    }
    expect(await leaderOf(hearing)).toEqual(before);
    deaf.hearNot([]);
    await until(
      "all three are healthy",
      async () => (await leader.run(["status", "--check"])).code === 0,
    );
    expect(await leaderOf(hearing)).toEqual(before);
    expect(nodes[leaderId - 1]?.lines.join("\n")).not.toMatch(/no longer leads/);
  });
});
