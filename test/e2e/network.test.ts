/** Networks as they are: firewalls on both sides, losses, cables that come out, clients that do not
 *  reach everybody. */
import { describe, expect, it } from "vitest";
import { until, type Running } from "./harness.ts";
import { lan, type Machine, noLanReason } from "./lan.ts";

const foundingMs = 60_000;

async function expectReady(nodes: readonly Running[]): Promise<void> {
  await Promise.all(nodes.map((node) => node.waitForLine(/\bready:/, foundingMs)));
}

async function leaderOf(machine: Machine): Promise<number> {
  const answer = await machine.must(["leader", "--wait", "--json", "--timeout", "20s"]);
  return (JSON.parse(answer) as { id: number }).id;
}

function machineOf(machines: readonly Machine[], id: number): Machine {
  const machine = machines[id - 1];
  if (machine === undefined) throw new Error(`there is no machine ${id}`);
  return machine;
}

describe.skipIf(noLanReason !== null)("machines on one network", () => {
  it("find each other by multicast alone", async () => {
    const machines = lan(3);
    await expectReady(machines.map((machine, at) => machine.up(at + 1)));
    const answers = await Promise.all(
      machines.map((machine, at) => machine.must(["send", `from ${at}`])),
    );
    expect(answers).toHaveLength(3);
  });

  it("two, behind firewalls that drop what is unasked, work with --peers on both sides", async () => {
    const [one, two] = lan(2) as [Machine, Machine];
    for (const machine of [one, two]) machine.dropUnasked();
    await expectReady([
      one.up(1, "--peers", two.address),
      one.up(2, "--peers", two.address),
      two.up(3, "--peers", one.address),
    ]);
    await one.must(["send", "from one"]);
    await two.must(["send", "from two"]);
    for (const machine of [one, two])
      expect(await machine.must(["log", "--raw"])).toBe("from one\nfrom two\n");
  });

  it("three, behind firewalls that drop what is unasked, work with --peers on all sides", async () => {
    const machines = lan(3);
    for (const machine of machines) machine.dropUnasked();
    const others = (at: number) =>
      machines.filter((_, other) => other !== at).map((each) => each.address);
    await expectReady(
      machines.map((machine, at) => machine.up(at + 1, "--peers", others(at).join(","))),
    );
    for (const [at, machine] of machines.entries()) await machine.must(["send", `from ${at + 1}`]);
    const leader = await leaderOf(machineOf(machines, 1));
    for (const machine of machines)
      expect(await machine.must(["log", "--raw"])).toBe("from 1\nfrom 2\nfrom 3\n");
    // The leader goes: the others elect although neither was ever asked from outside.
    await machineOf(machines, leader).run(["stop", String(leader), "--kill"]);
    await machineOf(machines, leader === 1 ? 2 : 1).must(["send", "after"]);
  });

  it("behind such a firewall and without --peers are told that it is the firewall", async () => {
    const machines = lan(2);
    for (const machine of machines) machine.dropUnasked();
    const nodes = machines.map((machine, at) => machine.up(at + 1));
    await Promise.all(
      nodes.map((node, at) =>
        node.waitForLine(
          new RegExp(
            `this machine does not hear its own multicast on 10\\.77\\.0\\.${at + 1}: its firewall drops it\\. Allow UDP 7400-7499`,
          ),
          40_000,
        ),
      ),
    );
  });

  it("where 30 of 100 datagrams are lost both ways found and take entries", async () => {
    const machines = lan(3);
    for (const machine of machines) machine.lose(30);
    await expectReady(machines.map((machine, at) => machine.up(at + 1)));
    for (let entry = 0; entry < 15; entry++) {
      await machineOf(machines, (entry % 3) + 1).must([
        "send",
        "-q",
        `entry ${entry}`,
        "--timeout",
        "20s",
      ]);
    }
    const log = await machineOf(machines, 2).must(["log", "--raw", "--timeout", "20s"]);
    expect(log).toBe(Array.from({ length: 15 }, (_, at) => `entry ${at}\n`).join(""));
  });

  it("elect another leader when the cable of theirs comes out, and take it back", async () => {
    const machines = lan(3);
    const nodes = machines.map((machine, at) => machine.up(at + 1));
    await expectReady(nodes);
    await machineOf(machines, 1).must(["send", "before"]);
    const old = await leaderOf(machineOf(machines, 1));
    const rest = machines.filter((_, at) => at + 1 !== old);
    machineOf(machines, old).plug(false);
    await machineOf(rest, 1).must(["send", "meanwhile", "--timeout", "20s"]);
    expect(await leaderOf(machineOf(rest, 1))).not.toBe(old);
    const cut = nodes[old - 1];
    await cut?.waitForLine(
      /this node no longer leads: nodes \d and \d are unreachable, 1 of 3 voters left/,
    );
    const refused = await machineOf(machines, old).run(["send", "nowhere", "--timeout", "2s"]);
    expect([3, 4]).toContain(refused.code);
    machineOf(machines, old).plug(true);
    await until("the old leader follows", async () => {
      const log = await machineOf(machines, old).run(["log", "--node", String(old), "--raw"]);
      return log.stdout === "before\nmeanwhile\n";
    });
    await until(
      "all three are healthy",
      async () => (await machineOf(rest, 1).run(["status", "--check"])).code === 0,
    );
    expect(nodes.every((node) => node.isRunning)).toBe(true);
  });

  it("hand a client's request on when it reaches only followers", async () => {
    const machines = lan(4);
    const client = machines.pop() as Machine;
    await expectReady(machines.map((machine, at) => machine.up(at + 1)));
    const leader = await leaderOf(machineOf(machines, 1));
    client.avoid(machineOf(machines, leader).address);
    await client.must(["send", "handed on"]);
    expect(await client.must(["log", "--raw"])).toBe("handed on\n");
  });
});
