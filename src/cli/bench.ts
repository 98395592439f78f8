/** `raft bench`: loads a running cluster, says what it did with the load, and reads back everything
 *  that was acknowledged. */

import { ENTRY_BYTES_MAX } from "../base/limits.ts";
import { ENTRY_BYTES_LEAST, EntryForm, runName } from "../bench/entries.ts";
import { Load, type LoadFigures, type LoadPhase } from "../bench/load.ts";
import type { Verdict } from "../bench/written.ts";
import type { RaftClient } from "../client/client.ts";
import { systemDice } from "../transport/dice.ts";
import { BENCH } from "./bench-limits.ts";
import { benchJson, renderBench, type BenchResult, type BenchWish } from "./bench-table.ts";
import type { CommandArguments, CommandContext, RaftCommand } from "./command.ts";
import { CommandError, type ExitCode } from "./exit-codes.ts";
import {
  CLIENT_TIMEOUT_MS,
  ENTRY_SIZE_FLAG,
  ENTRY_TIMEOUT_FLAG,
  FLAGS,
  parseSeconds,
  parseWhole,
  SettingsReader,
} from "./settings.ts";
import { entriesText } from "./wording.ts";
import { CLIENT_FLAGS, withClient, type ClientSession } from "./with-client.ts";

const PROGRESS_EVERY_MS = 250;

export const benchCommand: RaftCommand = {
  name: "bench",
  summary: "loads a running cluster, measures it, and reads back what was acknowledged",
  notes: [
    "Its entries stay in the log for good, on every node's disk: nothing takes them out again. It says how many there are. Before it adds to a log that holds entries already it asks, where somebody can be asked; --yes does not ask.",
    "Without --rate the receipt of an entry sends the next one, and a latency is from the call to the receipt. With --rate it is from the moment at which the entry was due: a pause counts for all that should have been sent meanwhile.",
    "It warms up for a second, or for half of --seconds if that is less, which is not counted. Everything that was acknowledged must be in the log once, whole, at its index; entries of others may stand between. The load ends early after 50 million entries, or with Ctrl-C; what was measured is verified and printed; a second Ctrl-C leaves at once.",
  ],
  words: { hint: "", min: 0, max: 0 },
  args: {
    outstanding: FLAGS.outstanding,
    size: ENTRY_SIZE_FLAG,
    seconds: FLAGS.seconds,
    clients: FLAGS.clients,
    rate: FLAGS.rate,
    yes: FLAGS.yes,
    json: FLAGS.json,
    ...CLIENT_FLAGS,
    timeout: ENTRY_TIMEOUT_FLAG,
  },
  examples: [
    ["bench", "64 entries of 100 bytes under way, for five seconds"],
    ["bench --outstanding 1000 --size 1024", "more of them, and larger"],
    ["bench --clients 1000", "a thousand sessions, each waits for its receipt"],
    ["bench --rate 5000 --seconds 30", "5000 entries a second, whatever comes back"],
  ],
  endsItself: true,
  exits: [3, 4, 5, 7, 8, 130],
  async run(args, context) {
    const wish = readWish(args, context);
    return withClient(args, context, (session) => bench(session, wish, args, context), {
      usualTimeoutMs: BENCH.entryTimeoutMs,
    });
  },
};

function readWish(args: CommandArguments, context: CommandContext): BenchWish {
  const reader = new SettingsReader(args, context.machine.environment);
  const whole = (name: "outstanding" | "size" | "clients" | "rate", min: number, max: number) =>
    reader.read(name, (text) => parseWhole(text, "this", min, max), null);
  const clients = whole("clients", 1, BENCH.clientsMax) ?? 1;
  const outstanding = whole("outstanding", 1, BENCH.outstandingMax);
  const size = whole("size", ENTRY_BYTES_LEAST, ENTRY_BYTES_MAX) ?? BENCH.entryBytes;
  const rate = whole("rate", 1, BENCH.rateMax);
  const seconds = reader.read(
    "seconds",
    (text) => parseSeconds(text, BENCH.secondsMin, BENCH.secondsMax),
    BENCH.seconds,
  );
  const underWay = outstanding ?? Math.max(BENCH.outstanding, clients);
  if (rate !== null && outstanding !== null)
    reader.problems.push("--outstanding and --rate: one of them says how much is under way");
  if (rate === null && underWay < clients)
    reader.problems.push(`--outstanding ${underWay}: ${clients} clients need one entry each`);
  if (rate === null && underWay * size > BENCH.outstandingBytesMax)
    reader.problems.push(
      `--outstanding ${underWay} entries of ${size} bytes: at most ${BENCH.outstandingBytesMax} bytes may be under way`,
    );
  reader.check();
  return { outstanding: rate === null ? underWay : null, rate, size, seconds, clients };
}

async function bench(
  session: ClientSession,
  wish: BenchWish,
  args: CommandArguments,
  context: CommandContext,
): Promise<ExitCode> {
  const { client, cluster } = session;
  const { terminal, signal, clock } = context;
  const lastIndex = await lastEntry(session);
  if (!(await isWanted(lastIndex, cluster, args, context))) {
    if (!signal.aborted) terminal.say("nothing was added");
    return signal.aborted ? 130 : 4;
  }
  const load = new Load({
    targets: Array.from({ length: wish.clients }, () => client.session()),
    form: new EntryForm(runName(systemDice(5)), wish.size),
    clock,
    timeoutMs: session.timeoutMs,
  });
  const figures = await run(load, wish, context);
  const { acknowledged, span } = load.written;
  let verdict: Verdict | null = null;
  let failure: unknown = figures.failure;
  try {
    verdict = await readBack(client, load, lastIndex + 1, context);
  } catch (error) {
    // A cluster that fell silent cannot be read either: why it did is the news.
    failure ??= error;
  }
  const result = { cluster, figures, verdict, acknowledged, span };
  return conclude(session, wish, result, failure, args, context);
}

/** The index of the last entry; 0: there is none. */
async function lastEntry({ client, timeoutGiven, timeoutMs }: ClientSession): Promise<number> {
  let last = 0;
  const patienceMs = timeoutGiven ? timeoutMs : CLIENT_TIMEOUT_MS;
  for await (const { index } of client.log({ last: 1, timeoutMs: patienceMs })) last = index;
  return last;
}

/** Whoever sits before a terminal is asked before a log that is in use is filled for good. */
async function isWanted(
  lastIndex: number,
  cluster: string,
  args: CommandArguments,
  { terminal, signal }: CommandContext,
): Promise<boolean> {
  if (lastIndex === 0 || args["yes"] === true || !terminal.inputIsTerminal) return true;
  terminal.say(
    `cluster ${cluster} holds entries up to ${lastIndex}; those of bench stay for good.`,
  );
  const interrupted = new Promise<null>((resolve) => {
    signal.addEventListener("abort", () => resolve(null), { once: true });
  });
  const answer = await Promise.race([terminal.ask("add them? type yes: "), interrupted]);
  return answer === "yes";
}

/** Runs the load; Ctrl-C ends it early. */
async function run(
  load: Load,
  { outstanding, rate, seconds }: BenchWish,
  { terminal, clock, signal }: CommandContext,
): Promise<LoadFigures> {
  let phase: LoadPhase = "warming up";
  let phaseMs = clock.monotonicMs();
  load.onPhase = (next) => {
    phase = next;
    phaseMs = clock.monotonicMs();
    if (!terminal.talkIsTerminal) terminal.say(next);
  };
  const watch = (): void => {
    const spentS = ((clock.monotonicMs() - phaseMs) / 1_000).toFixed(1);
    const so = phase === "measuring" ? ` ${spentS} of ${seconds} s` : "";
    terminal.progress(`${phase}${so}, ${entriesText(load.written.acknowledged)} acknowledged`);
    cancelWatch = clock.after(PROGRESS_EVERY_MS, watch);
  };
  let cancelWatch = clock.after(PROGRESS_EVERY_MS, watch);
  const stop = (): void => load.stop();
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) clock.soon(stop);
  try {
    return await (rate === null
      ? load.closed({ outstanding: outstanding ?? BENCH.outstanding, seconds })
      : load.open({ rate, seconds }));
  } finally {
    signal.removeEventListener("abort", stop);
    cancelWatch();
    terminal.progress("");
  }
}

/** Compares the log from `from` on with what was acknowledged. */
async function readBack(
  client: RaftClient,
  load: Load,
  from: number,
  { terminal, clock }: CommandContext,
): Promise<Verdict> {
  const { acknowledged } = load.written;
  if (!terminal.talkIsTerminal) terminal.say("reading back");
  let nextMs = 0;
  async function* entries() {
    let read = 0;
    for await (const entry of client.log({ from })) {
      yield entry;
      if (++read % 1_000 !== 0 || clock.monotonicMs() < nextMs) continue;
      nextMs = clock.monotonicMs() + PROGRESS_EVERY_MS;
      terminal.progress(`reading back: ${read} of ${entriesText(acknowledged)}`);
    }
  }
  const verdict = await load.written.verify(entries());
  terminal.progress("");
  return verdict;
}

/** Prints what came of it, and returns or throws accordingly. `failure`: what ended the load or the
 *  reading, or null. */
async function conclude(
  session: ClientSession,
  wish: BenchWish,
  result: BenchResult,
  failure: unknown,
  args: CommandArguments,
  { terminal, signal }: CommandContext,
): Promise<ExitCode> {
  const { verdict } = result;
  const json = benchJson(wish, result, signal.aborted);
  const isJson = args["json"] === true;
  const broken =
    verdict === null || verdict.problemCount === 0
      ? null
      : `NOT verified: ${verdict.problemCount} of what was acknowledged:\n${verdict.problems.join("\n")}`;
  if (!isJson) await terminal.out(`${renderBench(wish, result, terminal.paintOut)}\n`);
  if (broken !== null) throw new CommandError(broken, 7, json);
  if (failure !== null) {
    const explained = session.explain(failure);
    if (!(explained instanceof CommandError)) throw explained;
    throw new CommandError(`ended early: ${explained.message}`, explained.exitCode, json);
  }
  if (isJson) await terminal.out(`${JSON.stringify(json)}\n`);
  return signal.aborted ? 130 : 0;
}
