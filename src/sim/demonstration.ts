/** A run for people: one client sends entries to a cluster on virtual time, as much is lost,
 *  crashed and cut off as was asked for, and everything is told. */

import type { Random } from "../base/random.ts";
import { RaftError } from "../client/types.ts";
import type { NodeEvent } from "../node/events.ts";
import { pick } from "./chance.ts";
import { Cluster } from "./cluster.ts";
import { FAST_DISK } from "./disk.ts";
import { INVARIANTS } from "./invariants/index.ts";
import type { Machine } from "./machine.ts";
import { CALM } from "./network.ts";
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
  });
  const say = (line: string, detail: boolean): void => audience.tell(cluster.nowMs, line, detail);
  const watch = new Watch(cluster, INVARIANTS, (name, sentence) =>
    violations.push(`${name}: ${sentence}`),
  );

  for (const machine of cluster.machines.values()) startMachine(machine, say);
  const client = sendEntries(cluster, wish.entries, say);
  const troubledMs = FIRST_ENTRY_MS + wish.entries * BETWEEN_ENTRIES_MS;
  const random = cluster.stream("trouble");
  const schedule = (count: number, strike: () => void): void =>
    scheduleTroubles(cluster, count, troubledMs, random, strike);
  schedule(wish.crashes, () => crash(cluster, random, say));
  schedule(wish.partitions, () => partition(cluster, random, say));
  const stop = (): boolean => isOver() || violations.length > 0;
  const calmMs = troubledMs + DOWN_MS;
  const settled = (): boolean =>
    cluster.nowMs >= calmMs && client.settled() && commonIndex(cluster) !== null;
  const done = (): boolean => stop() || settled();
  while (!done() && cluster.nowMs < calmMs + AGREE_MS) {
    await cluster.run(cluster.nowMs + SLICE_MS, done);
    await audience.breathe();
  }
  if (!isOver() && violations.length === 0) watch.ended();
  const verdict: Verdict = {
    violations,
    acknowledged: client.acknowledged,
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
      sessionsMax: 1_024,
    },
    datagramBytes: 1_200,
    nasty: [],
    receiveBufferBytes: 1_048_576,
    nemeses: [],
    customers: 1,
    outstanding: 1,
    thinkMs: BETWEEN_ENTRIES_MS,
    verbose: true,
  };
}

type Say = (line: string, detail: boolean) => void;
    strikes: 1,

function tellEvent(id: number, event: NodeEvent, say: Say): void {
  if (event.type !== "trace") return;
  if (event.of === "message") say(event.text, true);
  // Whom a node follows is seen in the messages; what it becomes is the story.
  else say(`node ${id} ${event.text}`, event.text.startsWith("follows"));
}

function startMachine(machine: Machine, say: Say): void {
  if (machine.running) return;
  say(`node ${machine.id} starts`, false);
  machine.start();
}

interface Sending {
  acknowledged: number;
  unknown: number;
  readonly settled: () => boolean;
}

/** Sends "entry 1", "entry 2", ..., each at its moment, whether or not the last is acknowledged. */
function sendEntries(cluster: Cluster, entries: number, say: Say): Sending {
  const customer = cluster.addCustomer({ timeoutMs: SEND_TIMEOUT_MS });
  let settled = 0;
  const sending: Sending = { acknowledged: 0, unknown: 0, settled: () => settled === entries };
  const send = async (client: Awaited<ReturnType<typeof customer.connect>>, number: number) => {
    const text = `entry ${number}`;
    try {
      const { index, term, holders, tookMs } = await client.send(text);
      sending.acknowledged += 1;
      const where = `index ${index} of term ${term}, on the disks of ${holders.join(" and ")}`;
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

/** So many troubles, each at a moment between the first entry and `untilMs`. */
function scheduleTroubles(
  cluster: Cluster,
  count: number,
  untilMs: number,
  random: Random,
  strike: () => void,
): void {
  for (let trouble = 0; trouble < count; trouble++)
    cluster.schedule.at(FIRST_ENTRY_MS + random() * (untilMs - FIRST_ENTRY_MS), strike);
}

function crash(cluster: Cluster, random: Random, say: Say): void {
  const machine = victim(cluster, random);
  if (!machine.running) return;
  cluster.count("kill", `node ${machine.id} is killed`);
  machine.kill();
  cluster.schedule.at(cluster.nowMs + DOWN_MS * random(), () => startMachine(machine, say));
}

function partition(cluster: Cluster, random: Random, say: Say): void {
  const { network } = cluster;
  const alone = victim(cluster, random);
  const others = [...cluster.machines.values()].filter((machine) => machine !== alone);
  cluster.count("partition", `node ${alone.id} is cut off from the other nodes`);
  for (const { host } of others) {
    network.cut(alone.host, host);
    network.cut(host, alone.host);
  }
  cluster.schedule.at(cluster.nowMs + DOWN_MS * (0.5 + random() / 2), () => {
    say(`node ${alone.id} is connected again`, false);
    for (const { host } of others) {
      network.mend(alone.host, host);
      network.mend(host, alone.host);
    }
  });
}

/** The leader more often than not: it is the one worth watching. */
function victim(cluster: Cluster, random: Random): Machine {
  const machines = [...cluster.machines.values()];
  const leader = machines.find(({ process }) => process?.member?.core.role === "leader");
  return leader !== undefined && random() < 0.6 ? leader : pick(random, machines);
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
