/** The promise: what was acknowledged is in every log, once, at its index, however often the leader
 *  is killed. */
import { describe, expect, it } from "vitest";
import { type RaftClient, RaftError } from "../../src/index.ts";
import { cluster, type Running, sleep, type World } from "./harness.ts";
import { clientOf, equalLogs, parseLog } from "./observe.ts";

const CLIENTS = 3;
const WORKERS_PER_CLIENT = 4;
const ENTRIES_PER_WORKER = 700;
const PROCESSES = 4;
const LINES_PER_PROCESS = 400;
const ENTRIES = CLIENTS * WORKERS_PER_CLIENT * ENTRIES_PER_WORKER + PROCESSES * LINES_PER_PROCESS;
/** The load is stretched over about this long, so that the leader dies many times under it. */
const RUN_MS = 24_000;
const KILL_EVERY_MS = 2_000;
/** How long a killed node stays away. */
const AWAY_MS = 500;
/** One of the clients gives up while there is no leader, and finishes under the request id that it
 *  was given. */
const IMPATIENT_MS = 150;
const SEND_TIMEOUT_MS = 5_000;
const ATTEMPTS_MAX = 6;

/** What clients were told. */
class Told {
  /** Acknowledged: where each entry is. */
  readonly acknowledged = new Map<string, number>();
  /** Outcome unknown, and never resolved. */
  readonly unknown = new Set<string>();
  /** Everything that went wrong with something that is not a documented outcome. */
  readonly surprises: string[] = [];
  highest = 0;
  retries = 0;
  resumed = 0;

  acknowledge(entry: string, index: number): void {
    if (this.acknowledged.has(entry)) this.surprises.push(`${entry} was acknowledged twice`);
    this.acknowledged.set(entry, index);
    this.highest = Math.max(this.highest, index);
  }
}

describe("10,000 entries while the leader is killed every two seconds", () => {
  it("are each in every log once, at the index that was acknowledged", async () => {
    expect(ENTRIES).toBe(10_000);
    const { world, nodes } = await cluster(3);
    const told = new Told();
    const watcher = await clientOf(world);
    let over = false;
    const killing = killLeaders(world, nodes, watcher, () => over);
    const sending: Promise<void>[] = [];
    for (let client = 0; client < CLIENTS; client++) {
      const library = await clientOf(world);
      for (let worker = 0; worker < WORKERS_PER_CLIENT; worker++) {
        sending.push(sendAll(library, `client-${client}-${worker}`, told, client === 0));
      }
    }
    for (let number = 0; number < PROCESSES; number++) {
      sending.push(sendThroughProcess(world, `process-${number}`, told));
    }
    await Promise.all(sending);
    over = true;
    const kills = await killing;
    expect(told.surprises).toEqual([]);
    expect(kills).toBeGreaterThanOrEqual(8);
    expect(told.resumed).toBeGreaterThan(0);
    expect(told.acknowledged.size + told.unknown.size).toBe(ENTRIES);

    const last = await watcher.send("the last", { timeoutMs: 20_000 });
    const log = await equalLogs(world, [1, 2, 3], last.index);
    const places = new Map<string, number[]>();
    for (const { entry, kind, index } of log) {
      if (kind === "entry") places.set(entry ?? "", [...(places.get(entry ?? "") ?? []), index]);
    }
    const wrong = [...told.acknowledged]
      .map(([entry, acknowledgedAt]) => ({ entry, acknowledgedAt, isAt: places.get(entry) ?? [] }))
      .filter(({ acknowledgedAt, isAt }) => isAt.length !== 1 || isAt[0] !== acknowledgedAt);
    expect(wrong.slice(0, 5), `${wrong.length} entries are not where they should be`).toEqual([]);
    const doubled = [...told.unknown].filter((entry) => (places.get(entry)?.length ?? 0) > 1);
    expect(doubled).toEqual([]);
    const known = new Set(["the last", ...told.acknowledged.keys(), ...told.unknown]);
    expect([...places.keys()].filter((entry) => !known.has(entry))).toEqual([]);
  });
});

/** Kills whoever leads, every two seconds, and starts it again. Returns how often. */
async function killLeaders(
  world: World,
  nodes: Running[],
  watcher: RaftClient,
  isOver: () => boolean,
): Promise<number> {
  let kills = 0;
  let lastTerm = 0;
  while (!isOver()) {
    await sleep(KILL_EVERY_MS - AWAY_MS);
    const leader = await watcher.leader({ wait: true, timeoutMs: 15_000 });
    expect(leader.term).toBeGreaterThan(lastTerm);
    lastTerm = leader.term;
    await nodes[leader.id - 1]?.kill();
    kills++;
    await sleep(AWAY_MS);
    const again = world.up(leader.id);
    nodes[leader.id - 1] = again;
    await again.waitForLine(/\bready:/, 30_000);
  }
  return kills;
}

/** One worker: an entry after the other. A refusal is sent again, an unknown outcome is finished
 *  under its id. */
async function sendAll(
  client: RaftClient,
  name: string,
  told: Told,
  impatient: boolean,
): Promise<void> {
  const startedMs = performance.now();
  for (let number = 0; number < ENTRIES_PER_WORKER; number++) {
    const dueMs = startedMs + (RUN_MS * number) / ENTRIES_PER_WORKER;
    if (performance.now() < dueMs) await sleep(dueMs - performance.now());
    await sendOne(client, `${name}-${number}`, told, impatient);
  }
}

async function sendOne(
  client: RaftClient,
  entry: string,
  told: Told,
  impatient: boolean,
): Promise<void> {
  let requestId: string | null = null;
  const highestBefore = told.highest;
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    try {
      const timeoutMs = impatient && attempt === 0 ? IMPATIENT_MS : SEND_TIMEOUT_MS;
      const receipt = await client.send(
        entry,
        requestId === null ? { timeoutMs } : { timeoutMs, requestId },
      );
      // Linearizable: behind everything that was acknowledged before it was sent.
      if (receipt.index <= highestBefore) {
        told.surprises.push(
          `${entry} got ${receipt.index}, after ${highestBefore} was acknowledged`,
        );
      }
      told.acknowledge(entry, receipt.index);
      return;
    } catch (error) {
      if (!(error instanceof RaftError) || ![3, 4, 5].includes(error.exitCode)) {
        told.surprises.push(`${entry}: ${String(error)}`);
        return;
      }
      if (error.exitCode === 5) {
        requestId = error.requestId;
        told.resumed++;
        if (requestId === null) break;
      } else if (requestId !== null) {
        // The first copy may still be on its way: only its own id can finish it.
        continue;
      } else told.retries++;
    }
  }
  told.unknown.add(entry);
}

/** One `raft send -` after the other until its lines are through; each process gets what is
 *  left. */
async function sendThroughProcess(world: World, name: string, told: Told): Promise<void> {
  const lines = Array.from({ length: LINES_PER_PROCESS }, (_, number) => `${name}-${number}`);
  for (let attempt = 0; lines.length > 0 && attempt < 20; attempt++) {
    const sender = world.start(["send", "--json", "-"]);
    const batchMs = RUN_MS / 20;
    const mine = lines.splice(0);
    for (let from = 0; from < mine.length && sender.isRunning; from += 20) {
      sender.write(
        mine
          .slice(from, from + 20)
          .map((line) => `${line}\n`)
          .join(""),
      );
      await sleep(batchMs);
    }
    sender.end();
    const { code } = await sender.exited;
    // Receipts come in the order of the lines, and end at the first failure.
    const receipts = parseLog(
      sender.stdoutLines.filter((line) => line.includes('"index"')).join("\n"),
    );
    for (const [at, { index }] of receipts.entries()) told.acknowledge(mine[at] ?? "", index);
    const rest = mine.slice(receipts.length);
    if (code === 0 && rest.length === 0) return;
    if (code === 5) for (const line of rest) told.unknown.add(line);
    else if (code === 3 || code === 4) lines.push(...rest);
    else told.surprises.push(`${name} ended with ${code}: ${sender.stderrLines.join("; ")}`);
  }
  for (const line of lines) told.unknown.add(line);
}
