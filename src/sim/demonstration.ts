/** A run for people: one client sends entries to a cluster on virtual time, as much is lost,
 *  crashed and cut off as was asked for, and everything is told. */

import type { Random } from "../base/random.ts";
import { RaftError } from "../client/types.ts";
import type { NodeEvent } from "../node/events.ts";
import { payloadAt } from "../storage/record.ts";
import { pick } from "./chance.ts";
import { Cluster } from "./cluster.ts";
import { FAST_DISK } from "./disk.ts";
import { INVARIANTS } from "./invariants/index.ts";
import type { Machine } from "./machine.ts";
import { CALM, type NetworkFault } from "./network.ts";
import { timingsOf, type Plan } from "./plan.ts";
import { Watch } from "./watch.ts";

export interface Wish {
  readonly seed: number;
  readonly nodes: number;
  /** Parts of all datagrams between machines, 0 to 1. */
  readonly loss: number;
  readonly duplicate: number;
  readonly reorder: number;
  /** How many times a node is killed, and started again. */
  readonly crashes: number;
  /** How many times a node is cut off from the others, the leader more often than not. */
  readonly partitions: number;
  readonly entries: number;
}

export interface Audience {
  /** What happens, at a moment of the world, ms. `detail`: for those who want every message. */
  readonly tell: (nowMs: number, line: string, detail: boolean) => void;
  /** Awaited every few events: the time to show what was told. Changes nothing in the run. */
  readonly breathe: () => Promise<void>;
  /** True: enough. Asked after each event. */
  readonly isOver: () => boolean;
}

export interface Verdict {
  /** Broken promises, as sentences. */
  readonly violations: readonly string[];
  readonly acknowledged: number;
  /** Sent, but their fate was never known. */
  readonly unknown: number;
  /** Terms in which somebody led. */
  readonly leaders: number;
  /** Every node holds the same entries; the last index, or null where they do not. */
  readonly lastIndex: number | null;
  readonly faults: ReadonlyMap<string, number>;
  readonly fingerprint: string;
  readonly events: number;
  readonly worldMs: number;
  /** False: it was interrupted. */
  readonly finished: boolean;
}

const HEARTBEAT_MS = 50;
/** Founding and the first election are over by then. */
const FIRST_ENTRY_MS = 1_500;
const BETWEEN_ENTRIES_MS = 100;
const DOWN_MS = 2_000;
const SEND_TIMEOUT_MS = 10_000;
/** After the last fault: a cluster that has not agreed by then never will. */
const AGREE_MS = 60_000;
const SLICE_MS = 20;
/** A trouble that finds nobody to befall waits so long. */
const TRY_AGAIN_MS = 250;

/** Runs to the end, or until it is over for the audience. */
export async function demonstrate(wish: Wish, audience: Audience): Promise<Verdict> {
  const { isOver } = audience;
  const violations: string[] = [];
  const leaders = new Set<number>();
  const cluster: Cluster = new Cluster(planOf(wish), {
    onEvent: ({ id }, event) => tellEvent(id, event, (line, more) => say(line, more)),
    onEnd: ({ id }, end) => {
      if (end.type === "bug") violations.push(`node ${id} ended by a bug: ${end.text}`);
    },
    onTurn: (machine) => {
      const core = machine.process?.member?.core;
      if (core?.role === "leader") leaders.add(core.term);
      watch.turned(machine);
    },
    onSync: (machine, path) => watch.synced(machine, path),
    onFault: (sentence) => say(sentence, false),
    onDatagramFault: (fault, link) => {
      const ends = link.split(">").map((host) => NODE_HOST.exec(host)?.[1] ?? "client");
      say(`${ends.join(" -> ")}  (a datagram is ${DATAGRAM_FAULTS[fault]})`, true);
    },
  });
  const say = (line: string, detail: boolean): void => audience.tell(cluster.nowMs, line, detail);
  const watch = new Watch(cluster, INVARIANTS, (name, sentence) =>
    violations.push(`${name}: ${sentence}`),
  );

  for (const machine of cluster.machines.values()) startMachine(machine, say);
  const client = sendEntries(cluster, wish.entries, say);
  const troubledMs = FIRST_ENTRY_MS + wish.entries * BETWEEN_ENTRIES_MS;
  const random = cluster.stream("trouble");
  const troubles = new Troubles(cluster, random, say);
  troubles.schedule(wish.crashes, troubledMs, () => troubles.crash());
  troubles.schedule(wish.partitions, troubledMs, () => troubles.partition());
  const stop = (): boolean => isOver() || violations.length > 0;
  const settled = (): boolean =>
    troubles.left === 0 && client.settled() && commonIndex(cluster) !== null;
  const done = (): boolean => stop() || settled();
  let calmMs = 0;
  while (!done() && cluster.nowMs < calmMs + AGREE_MS) {
    await cluster.run(cluster.nowMs + SLICE_MS, done);
    if (troubles.left > 0 || cluster.nowMs < troubledMs) calmMs = cluster.nowMs;
    await audience.breathe();
  }
  if (!isOver() && violations.length === 0) watch.ended();
  if (settled()) violations.push(...missing(cluster, client.acknowledged));
  const verdict: Verdict = {
    violations,
    acknowledged: client.acknowledged.size,
    unknown: client.unknown,
    leaders: leaders.size,
    lastIndex: commonIndex(cluster),
    faults: new Map([...cluster.strikes, ...cluster.faults]),
    fingerprint: cluster.fingerprint.text(),
    events: cluster.schedule.ran,
    worldMs: cluster.nowMs,
    finished: !isOver(),
  };
  cluster.end();
  return verdict;
}

function planOf(wish: Wish): Plan {
  const { seed, nodes, loss, duplicate, reorder } = wish;
  return {
    seed,
    nodes,
    faultsMs: Infinity,
    timings: timingsOf(HEARTBEAT_MS),
    quality: { ...CALM, delayMinMs: 0.2, delayMaxMs: 1, loss, duplicate, reorder },
    disk: FAST_DISK,
    limits: {
      segmentBytesMin: 65_536,
      segmentBytesMax: 1_048_576,
      tailBytesMax: 1_048_576,
      tailPageBytes: 65_536,
      sessionsMax: 1_024,
    },
    datagramBytes: 1_200,
    nasty: [],
    receiveBufferBytes: 1_048_576,
    nemeses: [],
    strikes: 1,
    healingLoss: 0,
    customers: 1,
    outstanding: 1,
    thinkMs: BETWEEN_ENTRIES_MS,
    verbose: true,
  };
}

type Say = (line: string, detail: boolean) => void;

function tellEvent(id: number, event: NodeEvent, say: Say): void {
  if (event.type === "founded") say(`node ${id} has met all founders: it is a member now`, false);
  if (event.type !== "trace") return;
  if (event.of === "message") return say(event.text, true);
  // That a leader follows itself is no news.
  if (!event.text.startsWith(`follows leader ${id} `)) say(`node ${id} ${event.text}`, false);
}

function startMachine(machine: Machine, say: Say): void {
  if (machine.running) return;
  say(`node ${machine.id} starts`, false);
  machine.start();
}

interface Sending {
  /** By index. */
  readonly acknowledged: ReadonlyMap<number, string>;
  unknown: number;
  readonly settled: () => boolean;
}

/** Sends "entry 1", "entry 2", ..., each at its moment, whether or not the last is acknowledged. */
function sendEntries(cluster: Cluster, entries: number, say: Say): Sending {
  const customer = cluster.addCustomer({ timeoutMs: SEND_TIMEOUT_MS });
  let settled = 0;
  const acknowledged = new Map<number, string>();
  const sending: Sending = { acknowledged, unknown: 0, settled: () => settled === entries };
  const send = async (client: Awaited<ReturnType<typeof customer.connect>>, number: number) => {
    const text = `entry ${number}`;
    say(`client: sends "${text}"`, true);
    try {
      const { index, term, holders, tookMs } = await client.send(text);
      acknowledged.set(index, text);
      const where = `index ${index} of term ${term}, on ${disksOf(holders)}`;
      say(`client: "${text}" is acknowledged: ${where} (${tookMs.toFixed(1)} ms)`, false);
    } catch (error) {
      if (!(error instanceof RaftError)) throw error;
      if (error.exitCode === 5) sending.unknown += 1;
      say(`client: "${text}" is not acknowledged: ${error.message.split("\n")[0] ?? ""}`, false);
    }
    settled += 1;
  };
  void (async () => {
    const client = await customer.connect();
    for (let number = 1; number <= entries; number++) {
      await customer.sleep(number === 1 ? FIRST_ENTRY_MS : BETWEEN_ENTRIES_MS);
      void send(client, number);
    }
  })();
  return sending;
}

/** "the disks of 1 and 3". A new leader may not have heard yet who holds an older entry. */
function disksOf(holders: readonly number[]): string {
  if (holders.length === 0) return "the disks of a majority";
  const last = holders.at(-1);
  const others = holders.slice(0, -1);
  if (others.length === 0) return `the disk of ${last}`;
  return `the disks of ${others.join(", ")} and ${last}`;
}

/** Machines are 10.0.0.ID. */
const NODE_HOST = /^10\.0\.0\.(\d+)$/;

/** What befell a datagram, as a participle. */
export const DATAGRAM_FAULTS: Readonly<Record<NetworkFault, string>> = {
  lost: "lost",
  doubled: "doubled",
  "doubled late": "doubled, one of them late",
  "held back": "held back",
  damaged: "damaged",
  "cut short": "cut short",
  "too large": "too large",
  "queue full": "one too many",
  partitioned: "stopped at a cut",
};

/** Crashes and partitions: each struck as soon as a node is there that it can befall. */
class Troubles {
  /** Not over yet. */
  left = 0;
  readonly #cluster: Cluster;
  readonly #random: Random;
  readonly #say: Say;
  readonly #cutOff = new Set<Machine>();

  constructor(cluster: Cluster, random: Random, say: Say) {
    this.#cluster = cluster;
    this.#random = random;
    this.#say = say;
  }

  /** So many, each at a moment between the first entry and `untilMs`, or as soon after it as
   *  `strike` does anything: it says so. */
  schedule(count: number, untilMs: number, strike: () => boolean): void {
    const { schedule } = this.#cluster;
    this.left += count;
    const attempt = (): void => {
      if (!strike()) schedule.at(schedule.nowMs + TRY_AGAIN_MS, attempt);
    };
    for (let trouble = 0; trouble < count; trouble++)
      schedule.at(FIRST_ENTRY_MS + this.#random() * (untilMs - FIRST_ENTRY_MS), attempt);
  }

  crash(): boolean {
    const machine = this.#victim((candidate) => candidate.running);
    if (machine === null) return false;
    this.#cluster.count("kill", `${this.#named(machine)} is killed`);
    machine.kill();
    this.#after(DOWN_MS * this.#random(), () => startMachine(machine, this.#say));
    return true;
  }

  partition(): boolean {
    const { network, machines } = this.#cluster;
    const alone = this.#victim((candidate) => !this.#cutOff.has(candidate));
    if (alone === null) return false;
    this.#cluster.count("partition", `${this.#named(alone)} is cut off from the other nodes`);
    this.#cutOff.add(alone);
    const others = [...machines.values()].filter((machine) => machine !== alone);
    for (const { host } of others) {
      network.cut(alone.host, host);
      network.cut(host, alone.host);
    }
    this.#after(DOWN_MS * (0.5 + this.#random() / 2), () => {
      this.#say(`node ${alone.id} is connected again`, false);
      this.#cutOff.delete(alone);
      for (const other of others) {
        if (this.#cutOff.has(other)) continue;
        network.mend(alone.host, other.host);
        network.mend(other.host, alone.host);
      }
    });
    return true;
  }

  #after(delayMs: number, undo: () => void): void {
    const { schedule } = this.#cluster;
    schedule.at(schedule.nowMs + delayMs, () => {
      undo();
      this.left -= 1;
    });
  }

  #named(machine: Machine): string {
    return `node ${machine.id}${leads(machine) ? ", the leader," : ""}`;
  }

  /** The leader more often than not: it is the one worth watching. Null: nobody fits. */
  #victim(fits: (machine: Machine) => boolean): Machine | null {
    const machines = [...this.#cluster.machines.values()].filter(fits);
    if (machines.length === 0) return null;
    const leader = machines.find(leads);
    return leader !== undefined && this.#random() < 0.6 ? leader : pick(this.#random, machines);
  }
}

function leads({ process }: Machine): boolean {
  return process?.member?.core.role === "leader";
}

/** What was acknowledged and is not in the logs, which agree, at its index. */
function missing(cluster: Cluster, acknowledged: ReadonlyMap<number, string>): readonly string[] {
  const log = [...cluster.machines.values()][0]?.process?.member?.log;
  return [...acknowledged].flatMap(([index, text]) => {
    const read = log?.read(index, 0) ?? null;
    const payload = read === null ? null : payloadAt(read.bytes, 0, index);
    const held = payload === null ? null : new TextDecoder().decode(payload);
    return held === text ? [] : [`"${text}" was acknowledged at ${index}; there is ${held}`];
  });
}

/** The last index, where all nodes run and hold the same log, all of it committed; else null. */
function commonIndex(cluster: Cluster): number | null {
  const logs = [...cluster.machines.values()].map(({ process }) => process?.member ?? null);
  const [first] = logs;
  if (first === undefined || first === null) return null;
  const { lastIndex, lastChain } = first.log;
  const same = logs.every(
    (member) =>
      member?.log.lastIndex === lastIndex &&
      member.log.lastChain === lastChain &&
      member.core.commitIndex === lastIndex,
  );
  return same ? lastIndex : null;
}
