/** `npm run bench -- --against etcd,nats`: our cluster beside those of others, on this machine,
 *  under the same load. It starts three servers of each side itself, and cannot measure ones that
 *  run elsewhere.
 *
 *      --against LIST      etcd (Debian's etcd-server), nats (nats-server), and nats-sync: NATS with
 *                          every write on the disk before it goes on
 *      --runs N            rounds (5; fewer prove little): each has the floors, and every side
 *                          once, in random order
 *      --seconds S         how long each level measures (2)
 *      --outstanding LIST  entries under way of one client (1,64,1000)
 *      --clients N         and of so many clients on ten connections, one each; 0: not (1000)
 *      --size B            bytes of an entry, 10 to 1048576 (100); what is under way at once may
 *                          be 64 MiB: that bounds --outstanding and --clients
 *      --seed N            the order (1)
 *      --dir DIR           where the data lies while it runs; a real disk
 *      --keep FILE         adds these rounds to those in FILE and reports on all of them
 *      --json              the whole report as one JSON object
 *
 *  The load comes from processes of their own; what they and the servers use of the CPU is printed,
 *  and the largest load is repeated from two client processes, which share the entries under way:
 *  if that is not faster, one was not what was measured. Warming up is in no figure, but it is
 *  verified, so that more entries are verified than the figures tell of. It needs Linux. Exit code
 *  1 when a side does not hold what it acknowledged, 2 when it is not installed or what was asked
 *  cannot be done, 130 after Ctrl-C or SIGTERM, which print what there is. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ENTRY_BYTES_MAX } from "../../../src/base/limits.ts";
import { BENCH } from "../../../src/cli/bench-limits.ts";
import { executable } from "../../e2e/world.ts";
import { lengthOf, namesOf, UsageError, wholeOf } from "../../prove/typed.ts";
import { counted } from "../aligned.ts";
import { headLines, type Setting, settingOf } from "../machine.ts";
import { type Comparison, compare, renderComparison, type Round } from "./comparison.ts";
import { notQuietLine } from "../report.ts";
import type { Level } from "./drivers.ts";
import { etcd } from "./etcd.ts";
import { nats, natsSynced } from "./nats.ts";
import { ours } from "./ours.ts";
import { runRounds } from "./rounds.ts";
import type { Side } from "./side.ts";

const PEERS: readonly Side[] = [etcd, nats, natsSynced];
const WARM_UP_MS = 1_000;
const ENTRY_BYTES_LEAST = 10;
/** With fewer rounds than these a median says little. */
const ROUNDS_TELLING = 5;

/** What can be said only of a comparison. */
export const ONLY_AGAINST = {
  outstanding: { type: "string" },
  clients: { type: "string" },
  size: { type: "string" },
  keep: { type: "string" },
} as const;

/** `directory` is where data is written unless `--dir` says otherwise. Returns the exit code. */
export async function sideBySide(
  words: readonly string[],
  root: string,
  directory: string,
): Promise<number> {
  const asked = typed(words, directory);
  const { sides, levels, measure, seed } = asked;
  const work = { sides: sides.map(({ name }) => name), levels, measure };
  const setting = settingOf({
    root,
    directory: asked.directory,
    executable,
    scenarios: [],
    seconds: measure.measuredMs / 1_000,
    seed: 0,
    more: work,
  });
  const earlier = kept(asked.keep, setting);
  const interrupted = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(signal, () => interrupted.abort());
  const own = mkdtempSync(join(asked.directory, "raft-against-"));
  try {
    const rounds = [...earlier];
    const unfinished = await runRounds({
      ...{ sides, levels, measure, rounds: asked.rounds, directory: own },
      seed: seed + earlier.length,
      signal: interrupted.signal,
      say: (line) => process.stderr.write(`${line}\n`),
      onRound(round) {
        rounds.push(round);
        if (asked.keep !== null) writeFileSync(asked.keep, JSON.stringify({ setting, rounds }));
      },
    });
    const whole = rounds.length;
    if (unfinished !== null) rounds.push(unfinished);
    const comparison = compare(rounds, work.sides, levels);
    if (asked.json) console.log(JSON.stringify({ setting, ...work, comparison, rounds }));
    else console.log(render(setting, asked, whole, rounds, comparison));
    return interrupted.signal.aborted ? 130 : 0;
  } catch (error) {
    console.error(`FAILED: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  } finally {
    rmSync(own, { recursive: true, force: true, maxRetries: 5 });
  }
}

interface Asked {
  readonly sides: readonly Side[];
  readonly levels: readonly Level[];
  readonly measure: { warmUpMs: number; measuredMs: number; size: number };
  readonly rounds: number;
  readonly seed: number;
  readonly directory: string;
  readonly keep: string | null;
  readonly json: boolean;
}

function typed(words: readonly string[], directory: string): Asked {
  refuseMisplaced(words);
  const { values, positionals } = parseArgs({
    args: [...words],
    allowPositionals: true,
    options: {
      against: { type: "string", default: "" },
      runs: { type: "string", default: "5" },
      seconds: { type: "string", default: "2" },
      outstanding: { type: "string", default: "1,64,1000" },
      clients: { type: "string", default: "1000" },
      size: { type: "string", default: "100" },
      seed: { type: "string", default: "1" },
      dir: { type: "string", default: directory },
      keep: { type: "string" },
      json: { type: "boolean", default: false },
    },
  });
  if (positionals.length > 0)
    throw new UsageError(
      `${positionals.join(" ")}: beside others no scenario is run; --outstanding and --clients say what is`,
    );
  const names = namesOf(
    "--against",
    values.against,
    PEERS.map(({ name }) => name),
  );
  const peers = PEERS.filter(({ name }) => names.includes(name));
  const missing = peers.map((peer) => peer.unavailable()).filter((reason) => reason !== null);
  if (missing.length > 0) throw new UsageError(missing.join("\n"));
  if (!existsSync(values.dir)) throw new UsageError(`--dir ${values.dir}: there is no such folder`);
  if (!existsSync(executable)) throw new UsageError(`${executable} is missing: npm run build`);
  const outstanding = values.outstanding
    .split(",")
    .map((word) => wholeOf("--outstanding", word, 1, BENCH.outstandingMax))
    .toSorted((a, b) => a - b);
  const clients = wholeOf("--clients", values.clients, 0, BENCH.clientsMax);
  const size = wholeOf("--size", values.size, ENTRY_BYTES_LEAST, ENTRY_BYTES_MAX);
  needRoom("--outstanding", outstanding.at(-1) ?? 1, size);
  needRoom("--clients", clients, size);
  const seconds = lengthOf("--seconds", values.seconds);
  return {
    sides: [ours, ...peers],
    levels: levelsOf(outstanding, clients),
    measure: {
      warmUpMs: Math.min(WARM_UP_MS, seconds * 1_000),
      measuredMs: seconds * 1_000,
      size,
    },
    rounds: wholeOf("--runs", values.runs, 1),
    seed: wholeOf("--seed", values.seed),
    directory: values.dir,
    keep: values.keep ?? null,
    json: values.json,
  };
}

/** Sentences of our own where the parser would speak of its grammar. */
function refuseMisplaced(words: readonly string[]): void {
  const next = words[words.indexOf("--against") + 1];
  if (words.includes("--against") && (next === undefined || next.startsWith("-")))
    throw new UsageError(
      `--against: beside whom? ${PEERS.map(({ name }) => name).join(", ")}, one or more: --against etcd,nats`,
    );
  if (words.includes("--all"))
    throw new UsageError("--all: not with --against, beside others no scenario is run");
}

/** Refuses more than the client library lets wait. */
function needRoom(flag: string, entries: number, size: number): void {
  const most = Math.floor(BENCH.outstandingBytesMax / size);
  if (entries > most)
    throw new UsageError(
      `${flag} ${entries} entries of ${size} bytes: at most ${BENCH.outstandingBytesMax} bytes may be under way, which is ${most} of these`,
    );
}

function levelsOf(outstanding: readonly number[], clients: number): readonly Level[] {
  const most = outstanding.at(-1) ?? 1;
  const number = (value: number) => value.toLocaleString("en");
  return [
    ...outstanding.map((one) => ({
      ...{ name: `${number(one)} outstanding`, outstanding: one, clients: 1, processes: 1 },
    })),
    ...(most < 2
      ? []
      : [
          {
            name: `${number(most)} over two processes`,
            outstanding: most,
            clients: 2,
            processes: 2,
          },
        ]),
    ...(clients === 0
      ? []
      : [{ name: `${number(clients)} clients`, outstanding: clients, clients, processes: 1 }]),
  ];
}

/** The rounds of earlier calls, which must have been about the same. The commit may be another one,
 *  and is when the file itself lies in the repository: the executable's hash decides. */
function kept(file: string | null, setting: Setting): readonly Round[] {
  if (file === null || !existsSync(file)) return [];
  const earlier = JSON.parse(readFileSync(file, "utf8")) as { setting: Setting; rounds: Round[] };
  const told = (one: Setting) => JSON.stringify({ ...one, commit: null });
  const isCounted = earlier.rounds.every(({ notQuiet }) => Array.isArray(notQuiet));
  if (isCounted && told(earlier.setting) === told(setting)) return earlier.rounds;
  throw new UsageError(`--keep ${file}: those rounds are of another executable, machine or work`);
}

/** `whole`: how many of the rounds came to their end. */
function render(
  setting: Setting,
  { measure, sides }: Asked,
  whole: number,
  rounds: readonly Round[],
  comparison: Comparison,
): string {
  const verified = (side: string) =>
    rounds.reduce((sum, round) => sum + (round.verified[side] ?? 0), 0);
  const seconds = measure.measuredMs / 1_000;
  const part = rounds.length > whole ? " and a part of one" : "";
  const told = rounds.length === 0 ? [] : [...renderComparison(comparison, ours.name), ""];
  return [
    ...headLines(setting),
    `work:       ${setting.work}: entries of ${measure.size} bytes, ${seconds} s a level, ${counted(whole, "round")}${part}; in each the floors, then every`,
    "            side in random order, started for its turn and ended after it; median (range)",
    ...sides.map((side) => `${`${side.name}:`.padEnd(12)}${side.version()}; ${side.about}`),
    "",
    ...told,
    ...trustLines(whole, rounds),
    ...(rounds.length === 0
      ? ["nothing was finished"]
      : sides.map(({ name, checked }) =>
          verified(name) === 0
            ? `${name}: nothing was finished`
            : `verified: ${name}: ${verified(name).toLocaleString("en")} entries, ${checked}`,
        )),
  ].join("\n");
}

/** What makes the figures worth less. */
function trustLines(whole: number, rounds: readonly Round[]): readonly string[] {
  const sum = (of: (round: Round) => number) => rounds.reduce((n, round) => n + of(round), 0);
  const notQuiet = sum((round) => round.notQuiet.length);
  // The floors have a turn of their own.
  const turns = sum(({ samples }) => 1 + Object.keys(samples).length);
  const lines = [
    ...(rounds.length > 0 && whole < ROUNDS_TELLING
      ? [
          `${counted(whole, "whole round")}: so few prove little; from ${ROUNDS_TELLING} on (--runs) a median means something`,
        ]
      : []),
    ...(notQuiet > 0 ? [notQuietLine(notQuiet, counted(turns, "run"))] : []),
  ];
  return lines.length === 0 ? [] : [...lines, ""];
}
