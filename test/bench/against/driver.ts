/** A client in a process of its own, so that what it uses of the CPU can be told from what servers
 *  use. Reads what to do from its standard input, a line of JSON each (`DriverWork`), and answers
 *  each with a line (`DriverResult`); ends with its input. */
import { createInterface } from "node:readline";
import { processUse } from "../process-use.ts";
import type { Numbers } from "./entry.ts";
import { openEtcdPuts } from "./etcd-puts.ts";
import { openNatsPuts } from "./nats-puts.ts";
import { NATS_SUBJECT } from "./nats.ts";
import { openOurPuts } from "./ours.ts";
import { runPuts, type PutWork } from "./put-loop.ts";
import type { Target } from "./side.ts";
import type { OpenPuts } from "./wire.ts";

export interface DriverWork extends PutWork {
  readonly target: Target;
  /** The servers' processes. */
  readonly pids: readonly number[];
}

export interface DriverResult {
  readonly entriesPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Cores used while it was measured: 1 is one core, all the time. */
  readonly clientCores: number;
  readonly serverCores: number;
  readonly numbers: Numbers;
}

async function drive(work: DriverWork): Promise<DriverResult> {
  const [client, servers] = [new Cores([process.pid]), new Cores(work.pids)];
  const { latencies, measuredMs, numbers } = await runPuts(opening(work.target), work, {
    begin: () => [client, servers].forEach((cores) => cores.begin()),
    end: () => [client, servers].forEach((cores) => cores.end()),
  });
  const { p50Us, p99Us } = latencies.percentiles();
  const seconds = measuredMs / 1_000;
  return {
    entriesPerSecond: latencies.count / seconds,
    p50Ms: p50Us / 1_000,
    p99Ms: p99Us / 1_000,
    clientCores: client.over(seconds),
    serverCores: servers.over(seconds),
    numbers,
  };
}

/** What processes use of the CPU between `begin` and `end`. */
class Cores {
  readonly #pids: readonly number[];
  #before = 0;
  #used = 0;

  constructor(pids: readonly number[]) {
    this.#pids = pids;
  }

  begin(): void {
    this.#before = this.#cpuSeconds();
  }

  end(): void {
    this.#used = this.#cpuSeconds() - this.#before;
  }

  over(seconds: number): number {
    return this.#used / seconds;
  }

  #cpuSeconds(): number {
    return this.#pids.reduce((sum, pid) => sum + processUse(pid).cpuSeconds, 0);
  }
}

function opening(target: Target): OpenPuts {
  if (target.side === "ours") return (answers, clients) => openOurPuts(target, answers, clients);
  if (target.side === "etcd") return (answers) => openEtcdPuts(target.port, answers);
  return (answers) => openNatsPuts(target.port, NATS_SUBJECT, answers);
}

if (import.meta.main) {
  for await (const line of createInterface({ input: process.stdin })) {
    console.log(JSON.stringify(await drive(JSON.parse(line) as DriverWork)));
  }
}
