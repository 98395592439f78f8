/** `raft simulate`: a cluster on virtual time in this process, told line by line. No second machine
 *  is needed to see an election, a partition or a lost datagram. */

import { DATAGRAM_FAULTS, demonstrate, type Verdict, type Wish } from "../sim/demonstration.ts";
import type { RaftCommand } from "./command.ts";
import { FLAGS, parsePart, parseWhole, SettingsReader } from "./settings.ts";

const SEED_MAX = 0xffff_ffff;
const NODES_MAX = 9;
const ENTRIES_MAX = 100_000;
const TROUBLES_MAX = 1_000;

export const simulateCommand: RaftCommand = {
  name: "simulate",
  summary: "runs a whole cluster on virtual time in this process and tells what happens",
  words: { hint: "", min: 0, max: 0 },
  args: {
    seed: FLAGS.seed,
    nodes: FLAGS.nodes,
    entries: FLAGS.entries,
    loss: FLAGS.loss,
    duplicate: FLAGS.duplicate,
    reorder: FLAGS.reorder,
    crash: FLAGS.crash,
    partition: FLAGS.partition,
    trace: FLAGS.trace,
    json: FLAGS.json,
    verbose: FLAGS.verbose,
  },
  examples: [
    ["simulate", "three nodes are founded, elect a leader and take ten entries"],
    ["simulate --trace --entries 1", "every message of an election and of one entry"],
    ["simulate --crash 2 --partition 2 --loss 10%", "trouble, and how it is overcome"],
    ["simulate --nodes 5 --seed 4711", "the same run, event for event, each time"],
  ],
  notes: [
    "Time, network and disks are simulated; the nodes and the client are this very program.",
    "With --trace a message is told where it arrives, and a datagram where it is lost; a heartbeat",
    "that says the same as the one before it is left out. For example",
    "`1 -> 2  append  term 3  40..44  commit 39`: node 2 hears from leader 1 of term 3 the entries 40",
    "to 44, and that all up to 39 are committed; `2 -> 1  appendReply  term 3  has 44`: they are on",
    "the disk of node 2. In front stands the moment, in seconds of the simulated world.",
    "Invariants of the Raft paper are checked after every event: a broken one is exit 1.",
  ],
  exits: [130],
  async run(args, context) {
    const { terminal, machine, executable, signal } = context;
    const reader = new SettingsReader(args, machine.environment);
    const wish = readWish(reader, context.clock.wallMs());
    const json = reader.on("json");
    const trace = reader.on("trace");
    reader.check();
    const trail: string[] = [];
    const waiting: string[] = [];
    const verdict = await demonstrate(wish, {
      tell(nowMs, line, detail) {
        if (!detail || trace) waiting.push(`${seconds(nowMs)}  ${line}`);
      },
      // Between two slices of the run Ctrl-C is heard, and a slow reader waited for.
      async breathe() {
        const lines = waiting.splice(0);
        if (json) trail.push(...lines);
        else await terminal.out(lines.map((line) => `${line}\n`).join(""));
        await new Promise<void>((resolve) => context.clock.soon(resolve));
      },
      isOver: () => signal.aborted,
    });
    const text = json
      ? JSON.stringify(asJson(wish, verdict, trace ? trail : null))
      : `\n${renderVerdict(wish, verdict)}\n${again(wish, executable, trace)}`;
    await terminal.out(`${text}\n`);
    if (verdict.violations.length > 0) return 1;
    return verdict.finished ? 0 : 130;
  },
};

function readWish(reader: SettingsReader, wallMs: number): Wish {
  const whole = (name: "nodes" | "entries" | "crash" | "partition", min: number, max: number) =>
    reader.read(name, (text) => parseWhole(text, "a number here", min, max), null);
  const part = (name: "loss" | "duplicate" | "reorder"): number => reader.read(name, parsePart, 0);
  const wish = {
    seed: reader.read(
      "seed",
      (text) => parseWhole(text, "a seed", 0, SEED_MAX),
      Math.floor(wallMs) % 100_000,
    ),
    nodes: whole("nodes", 1, NODES_MAX) ?? 3,
    entries: whole("entries", 0, ENTRIES_MAX) ?? 10,
    crashes: whole("crash", 0, TROUBLES_MAX) ?? 0,
    partitions: whole("partition", 0, TROUBLES_MAX) ?? 0,
    loss: part("loss"),
    duplicate: part("duplicate"),
    reorder: part("reorder"),
  };
  if (wish.nodes === 1 && wish.partitions > 0)
    reader.problems.push("--partition: a single node cannot be cut off from others");
  return wish;
}

/** "   1.612": seconds of the simulated world. */
function seconds(nowMs: number): string {
  return (nowMs / 1_000).toFixed(3).padStart(8);
}

/** What came of it, in a few sentences. */
function renderVerdict(wish: Wish, verdict: Verdict): string {
  const { violations, acknowledged, unknown, leaders, lastIndex, faults, events, worldMs } =
    verdict;
  const logs =
    lastIndex === null
      ? "the nodes do not hold the same log (yet)"
      : `every node holds the same log up to index ${lastIndex}`;
  const fate = unknown === 0 ? "" : `, ${unknown} of unknown outcome`;
  return [
    `${acknowledged} of ${counted(wish.entries, "entry", "entries")} acknowledged${fate}; ${logs}`,
    `${counted(leaders, "term", "terms")} with a leader; ${troublesText(faults)}`,
    `${counted(events, "event", "events")} in ${(worldMs / 1_000).toFixed(1)} s of simulated time` +
      (verdict.finished ? "" : ", then interrupted"),
    violations.length === 0
      ? "no invariant was broken"
      : `BROKEN: ${violations.join("\nBROKEN: ")}\nThis is a bug in raft: please report the line below.`,
  ].join("\n");
}

/** "2 kills, 1 partition; of the datagrams 38 lost, 12 stopped at a cut". */
function troublesText(faults: ReadonlyMap<string, number>): string {
  const datagrams = Object.entries(DATAGRAM_FAULTS).flatMap(([fault, befell]) => {
    const count = faults.get(fault) ?? 0;
    return count === 0 ? [] : [`${count} ${befell}`];
  });
  const words = [
    counted(faults.get("kill") ?? 0, "kill", "kills"),
    counted(faults.get("partition") ?? 0, "partition", "partitions"),
  ];
  const last =
    datagrams.length === 0 ? "every datagram arrived" : `datagrams: ${datagrams.join(", ")}`;
  return `${words.join(", ")}; ${last}`;
}

function counted(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** The command that repeats this run. */
function again(wish: Wish, executable: string, trace: boolean): string {
  const share = (name: string, value: number): string =>
    value === 0 ? "" : ` --${name} ${Number((value * 100).toPrecision(12))}%`;
  const count = (name: string, value: number): string => (value === 0 ? "" : ` --${name} ${value}`);
  return (
    `seed ${wish.seed}; again: ${executable} simulate --seed ${wish.seed} --nodes ${wish.nodes} ` +
    `--entries ${wish.entries}${share("loss", wish.loss)}${share("duplicate", wish.duplicate)}` +
    `${share("reorder", wish.reorder)}${count("crash", wish.crashes)}${count("partition", wish.partitions)}` +
    (trace ? " --trace" : "")
  );
}

function asJson(wish: Wish, verdict: Verdict, lines: readonly string[] | null): object {
  const faults = Object.fromEntries(verdict.faults);
  const trace = lines === null ? {} : { trace: lines.map((line) => line.trimStart()) };
  return { ...wish, ...verdict, faults, sound: verdict.violations.length === 0, ...trace };
}
