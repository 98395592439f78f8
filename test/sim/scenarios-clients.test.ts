/** What clients meet at a change of leaders, in scripted worlds. */

import { afterEach, describe, expect, it } from "vitest";
import { CALM } from "../../src/sim/network.ts";
import { RaftError } from "../../src/client/types.ts";
import type { Machine } from "../../src/sim/machine.ts";
import { timingsOf } from "../../src/sim/plan.ts";
import { LIMITS, Stage } from "./stage.ts";

let stage: Stage;

afterEach(() => stage.cluster.end());

describe("a client", () => {
  it("with 1,000 outstanding, reordered across a change of leaders, keeps its order", async () => {
    const delayMaxMs = 20;
    stage = await Stage.founded({
      quality: { ...CALM, delayMaxMs, reorder: 0.5, duplicate: 0.2, loss: 0.05 },
    });
    const client = await stage.client();
    const acknowledged: number[] = [];
    for (let number = 1; number <= 1_000; number++) {
      void client.send(`entry ${number}`).then(({ index }) => (acknowledged[number] = index));
    }
    const first = stage.leader();
    const lastIndex = (): number => first?.process?.member?.log.lastIndex ?? 0;
    await stage.until("some are in the log", () => lastIndex() > 100);
    expect(acknowledged.length).toBeLessThan(1_000);
    first?.kill();
    const count = (): number => acknowledged.filter((index) => index > 0).length;
    await stage.until("all are acknowledged", () => count() === 1_000);
    await stage.until("another leads", () => stage.leader() !== null);
    const wanted = Array.from({ length: 1_000 }, (_, at) => `entry ${at + 1}`);
    expect(stage.entries(stage.leader()?.id ?? 0)).toEqual(wanted);
  });

  it("with a large entry waits no longer than 100 ms for others' entries to be committed", async () => {
    stage = await Stage.founded({ timings: timingsOf(1_000), receiveBufferBytes: 16 << 20 });
    const leader = stage.leader()!;
    const clients = await inTurn(2, () => stage.client(leader.host));
    for (const client of clients) await stage.send(client, "one");
    const { network } = stage.cluster;
    for (const { host } of stage.cluster.machines.values()) network.cut(host, leader.host);
    const { core, log } = stage.member(leader.id);
    const send = (at: number, bytes: number): void =>
      void clients[at]!.send("x".repeat(bytes)).catch(() => {});
    for (let times = 0; times < 12; times++) send(0, 60_000);
    await stage.until("much is uncommitted", () => core.uncommittedBytes > 700_000);
    const { lastIndex } = log;
    const fromMs = stage.cluster.nowMs;
    send(1, 500_000);
    await stage.until("the large one is in the log", () => log.lastIndex > lastIndex);
    const tookMs = stage.cluster.nowMs - fromMs;
    expect(core.role).toBe("leader");
    expect(tookMs).toBeGreaterThan(100);
    expect(tookMs).toBeLessThan(150);
  });

  it("that is forgotten by a session table of 4 is refused, never executed again", async () => {
    const limits = { ...LIMITS, sessionsMax: 4 };
    stage = await Stage.founded({ limits });
    const clients = await inTurn(9, () => stage.client());
    const acknowledged: string[] = [];
    const refused: string[] = [];
    for (let round = 0; round < 4; round++) {
      for (const [at, client] of clients.entries()) {
        const entry = `entry ${round * 100 + at}`;
        try {
          await stage.send(client, entry);
          acknowledged.push(entry);
        } catch (error) {
          if (!(error instanceof RaftError) || error.exitCode === 5) throw error;
          refused.push(entry);
        }
      }
    }
    const held = stage.entries(stage.leader()?.id ?? 0);
    expect(held).toEqual(acknowledged);
    expect(acknowledged.length + refused.length).toBe(36);
    for (const id of [1, 2, 3]) {
      await stage.until(`node ${id} has all`, () => stage.entries(id).length === held.length);
    }
  });

  it("that repeats a request whose session was forgotten is refused", async () => {
    stage = await Stage.founded({ limits: { ...LIMITS, sessionsMax: 4 } });
    const [first, ...others] = await inTurn(6, () => stage.client());
    if (first === undefined) throw new Error("no client");
    await stage.send(first, "entry 1");
    const receipt = first.send("entry 2", { timeoutMs: 1 });
    const unknown: unknown = await stage
      .settled("it gives up", receipt)
      .catch((error: unknown) => error);
    const requestId = unknown instanceof RaftError ? unknown.requestId : null;
    if (requestId === null) throw new Error("the outcome was known");
    for (const [at, other] of others.entries()) await stage.send(other, `entry ${10 + at}`);
    const again = await stage.client();
    const repeated = stage.settled("it is refused", again.send("entry 2", { requestId }));
    await expect(repeated).rejects.toThrow(/forgotten/);
    const held = stage.entries(stage.leader()?.id ?? 0);
    expect(held.filter((entry) => entry === "entry 2").length).toBeLessThanOrEqual(1);
  });

  it("whose request was refused never finds it in the log, however late a copy comes", async () => {
    stage = await Stage.founded();
    const { network } = stage.cluster;
    const client = await stage.client();
    await stage.send(client, "entry 1");
    const kept: (readonly [from: string, replay: () => void])[] = [];
    network.recorder = (from, to, datagram) => {
      const copy = datagram.slice();
      kept.push([from.host, () => network.inject(from, to, copy)]);
    };
    const last = stage.leader()?.process?.member?.log.lastUserIndex ?? 0;
    const wrong = client.send("entry 2", { ifLast: last + 1 });
    await expect(stage.settled("it is refused", wrong)).rejects.toThrow(RaftError);
    network.recorder = null;
    expect(await stage.send(client, "entry 3")).toBe(last + 1);
    // Now the condition would hold.
    for (let time = 0; time < 3; time++) {
      for (const [, replay] of kept) replay();
      await stage.pass(2);
      await stage.send(client, `entry ${4 + time}`);
    }
    const held = stage.entries(stage.leader()?.id ?? 0);
    expect(held).toEqual(["entry 1", "entry 3", "entry 4", "entry 5", "entry 6"]);
    expect(kept.length).toBeGreaterThan(0);
  });

  it("that is cut off with a deposed leader is not refused for good by its old log", async () => {
    stage = await Stage.founded();
    const { network, machines } = stage.cluster;
    const near = "10.0.1.201";
    const far = "10.0.1.202";
    const cutOff = await stage.client(near);
    const other = await stage.client(far);
    await stage.send(cutOff, "entry 1");
    const before = await stage.send(other, "entry 2");
    const old = stage.leader();
    if (old === null) throw new Error("nobody leads");
    await stage.until("its log is known to be committed", () => committed(old) >= before);
    const hosts = [...machines.values()]
      .filter((machine) => machine !== old)
      .map(({ host }) => host);
    const cuts = hosts.flatMap((host) => [old.host, near].map((at) => [at, host] as const));
    for (const [a, b] of [...cuts, [old.host, far] as const]) {
      network.cut(a, b);
      network.cut(b, a);
    }
    // It may not take part in the election, and it does not notice: its process stood still.
    old.life?.pause();
    await stage.until("another leads", () => stage.leader() !== old && stage.leader() !== null);
    const last = await stage.send(other, "entry 3");
    const receipt = cutOff.send("entry 4", { ifLast: last });
    old.life?.resume();
    expect(old.process?.member?.core.role).toBe("leader");
    await stage.pass(1);
    network.mendAll();
    const { index } = await stage.settled("it is added", receipt);
    expect(index).toBe(last + 1);
  });
});

function committed(machine: Machine): number {
  return machine.process?.member?.core.commitIndex ?? 0;
}

async function inTurn<T>(count: number, make: () => Promise<T>): Promise<readonly T[]> {
  const made: T[] = [];
  for (let at = 0; at < count; at++) made.push(await make());
  return made;
}
