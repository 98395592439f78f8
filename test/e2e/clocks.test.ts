/** Clocks that jump and clocks that run at another rate, under real nodes. libfaketime gives each
 *  process a clock of its own. */
import { existsSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Receipt } from "../../src/index.ts";
import { type Running, until, type World, world } from "./harness.ts";
import { clientOf, equalLogs } from "./observe.ts";

const HOUR_MS = 3_600_000;
const library = findLibrary();
if (library === null) console.warn("skipped: clocks that jump (needs libfaketime: faketime)");

/** Where Debian and others keep it; null when it is not installed. */
function findLibrary(): string | null {
  if (process.platform !== "linux") return null;
  const folders = ["/usr/lib", "/usr/lib64", "/usr/local/lib"].filter((folder) =>
    existsSync(folder),
  );
  const places = folders.flatMap((folder) => [
    folder,
    ...readdirSync(folder)
      .filter((name) => name.endsWith("-linux-gnu"))
      .map((name) => join(folder, name)),
  ]);
  const files = places.map((place) => join(place, "faketime", "libfaketimeMT.so.1"));
  return files.find((file) => existsSync(file)) ?? null;
}

/** Starts a node on a clock of its own. */
function upOn(made: World, id: number, clock: Record<string, string>): Running {
  const env = { LD_PRELOAD: library ?? "", NO_FAKE_STAT: "1", ...clock };
  return made.start(["up", "--id", String(id)], { env });
}

/** A wall clock that is set while the node runs; its monotonic clock stays right. */
class WallClock {
  readonly #file: string;

  constructor(made: World, id: number) {
    this.#file = join(made.directory, `clock-${id}`);
    this.set(0);
  }

  get env(): Record<string, string> {
    return {
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_NO_CACHE: "1",
      DONT_FAKE_MONOTONIC: "1",
    };
  }

  /** So many hours ahead of the true time from now on. */
  set(hours: number): void {
    writeFileSync(`${this.#file}.new`, `${hours < 0 ? "-" : "+"}${Math.abs(hours)}h\n`);
    renameSync(`${this.#file}.new`, this.#file);
  }
}

async function allReady(nodes: readonly Running[]): Promise<void> {
  await Promise.all(nodes.map((node) => node.waitForLine(/\bready:/, 60_000)));
}

describe.skipIf(library === null)("wall clocks that jump by hours", () => {
  it("move no leader and lose no entry; timeMs is what the leader's clock said (70)", async () => {
    const made = world();
    const clocks = [1, 2, 3].map((id) => new WallClock(made, id));
    await allReady(clocks.map((clock, at) => upOn(made, at + 1, clock.env)));
    const client = await clientOf(made);
    const before = await client.leader({ wait: true, timeoutMs: 20_000 });
    const receipts: Receipt[] = [];
    const jumps = [7, -30, 0];
    const ofLeader = clocks[before.id - 1];
    const ofFollower = clocks[before.id % 3];
    const sendSome = async (hours: number, what: string) => {
      const untilMs = performance.now() + 700;
      for (let number = 0; performance.now() < untilMs; number++) {
        const receipt = await client.send(`${what} ${hours} ${number}`, { timeoutMs: 10_000 });
        receipts.push(receipt);
        expect(receipt.term).toBe(before.term);
      }
    };
    for (const hours of jumps) {
      ofFollower?.set(hours);
      await sendSome(hours, "follower");
      expect(Math.abs((receipts.at(-1)?.timeMs ?? 0) - Date.now())).toBeLessThan(HOUR_MS);
    }
    for (const hours of jumps) {
      ofLeader?.set(hours);
      await sendSome(hours, "leader");
      const off = (receipts.at(-1)?.timeMs ?? 0) - Date.now() - hours * HOUR_MS;
      expect(Math.abs(off)).toBeLessThan(HOUR_MS);
    }
    expect(await client.leader({ wait: true })).toMatchObject({ id: before.id, term: before.term });
    const log = await equalLogs(made, [1, 2, 3], receipts.at(-1)?.index ?? 0);
    for (const { index, timeMs } of receipts) expect(log[index - 1]).toMatchObject({ timeMs });
    expect(receipts.length).toBeGreaterThan(jumps.length * 2);
  });
});

describe.skipIf(library === null)("clocks at double and at half the rate", () => {
  it("keep every entry, and a leader is found within seconds after each kill", async () => {
    const made = world();
    // All clocks of these processes, the monotonic one too.
    const rates = ["+0 x2", "+0 x0.5", "+0 x1"];
    const start = (id: number) => upOn(made, id, { FAKETIME: rates[id - 1] ?? "" });
    const nodes = [1, 2, 3].map(start);
    await allReady(nodes);
    const client = await clientOf(made);
    const acknowledged = new Map<string, number>();
    const send = async (entry: string) => {
      const receipt = await client.send(entry, { timeoutMs: 15_000 });
      acknowledged.set(entry, receipt.index);
    };
    for (let round = 0; round < 3; round++) {
      for (let number = 0; number < 20; number++) await send(`${round}-${number}`);
      const { id } = await client.leader({ wait: true, timeoutMs: 15_000 });
      await nodes[id - 1]?.kill();
      const killedMs = performance.now();
      await send(`after kill ${round}`);
      expect(performance.now() - killedMs).toBeLessThan(10_000);
      nodes[id - 1] = start(id);
      await until("it is back", () => nodes[id - 1]?.waitForLine(/\bready:/, 30_000));
    }
    const last = Math.max(...acknowledged.values());
    const log = await equalLogs(made, [1, 2, 3], last);
    for (const [entry, index] of acknowledged) {
      expect(log.filter((logged) => logged.entry === entry).map((logged) => logged.index)).toEqual([
        index,
      ]);
    }
    for (const line of nodes.flatMap((node) => node.lines))
      expect(line).not.toMatch(/a bug in raft|damage|diverged/);
  });
});
