/** `raft send -`: entries of any number from standard input, in order, in batches, a few under
 *  way at a time where that keeps the order. */

import { RaftError, type Receipt } from "../client/types.ts";
import type { CommandArguments, CommandContext } from "./command.ts";
import { Batcher, LineSplitter, LineTooLong } from "./entry-lines.ts";
import { CommandError, type ExitCode } from "./exit-codes.ts";
import { receiptJson, receiptLines, summaryLine } from "./receipts.ts";
import { entriesText, shellQuote } from "./wording.ts";
import type { ClientSession } from "./with-client.ts";

/** Batches of one session that were sent and not yet acknowledged: they enter the log in order
 *  whatever overtakes what. */
const UNDER_WAY_MAX = 4;
/** Under an id each batch is a session of its own, and nothing but its acknowledgement says that
 *  the next one will stand behind it. */
const UNDER_WAY_NAMED_MAX = 1;
/** Shorter inputs end before progress is worth a line. */
const PROGRESS_AFTER_MS = 1_000;
const PROGRESS_EVERY_MS = 200;
/** Where no line was acknowledged, at least this much of the log is worth a look. */
const LOOK_AT_ENTRIES = 20;
/** What is under way at Ctrl-C may take this long to be settled. */
const INTERRUPTED_MS = 600;
const NONE_ACKNOWLEDGED = "No line is acknowledged.";

/** What sending needs of a session. */
export type InputSession = Pick<ClientSession, "hints" | "timeoutMs" | "explain"> & {
  readonly client: Pick<ClientSession["client"], "send">;
};

/** Sends the whole input. With a request id the batches are cut by their content alone and
 *  numbered, so that the same input under the same id takes effect once. */
export async function sendInput(
  session: InputSession,
  args: CommandArguments,
  context: CommandContext,
  requestId: string | undefined,
): Promise<ExitCode> {
  const show = args["quiet"] === true ? "nothing" : args["json"] === true ? "json" : "receipts";
  return new InputSending(session, context, show, requestId).run();
}

/** Lines that were sent together, counted from 1. */
interface Batch {
  readonly firstLine: number;
  readonly lastLine: number;
}

/** Of the first batch that was not acknowledged. */
interface Failure extends Batch {
  readonly error: unknown;
}

class InputSending {
  readonly #session: InputSession;
  readonly #context: CommandContext;
  readonly #show: "receipts" | "json" | "nothing";
  readonly #requestId: string | undefined;
  readonly #batcher = new Batcher();
  /** Acknowledged so far. */
  readonly #tally = { entries: 0, firstIndex: 0, lastIndex: 0 };
  /** Receipts are settled in the order of the batches. */
  #settled: Promise<void> = Promise.resolve();
  #underWay = 0;
  #batches = 0;
  #linesSent = 0;
  #failure: Failure | null = null;
  /** Ends what is under way behind a failure: the log is not to hold the input with a hole. */
  readonly #rest = new AbortController();
  /** Nobody knows of the failed batch or of one behind it, or one behind it was acknowledged. */
  #isUnknown = false;
  #isAcknowledgedBehind = false;
  #progressAtMs = 0;

  constructor(
    session: InputSession,
    context: CommandContext,
    show: "receipts" | "json" | "nothing",
    requestId: string | undefined,
  ) {
    this.#session = session;
    this.#context = context;
    this.#show = show;
    this.#requestId = requestId;
  }

  async run(): Promise<ExitCode> {
    const { terminal, clock, signal } = this.#context;
    const startedMs = clock.monotonicMs();
    this.#progressAtMs = startedMs + PROGRESS_AFTER_MS;
    if (terminal.inputIsTerminal) terminal.say("one entry a line; Ctrl-D ends");
    signal.addEventListener("abort", () => terminal.endInput(), { once: true });
    const tooLong = await Promise.race([this.#sendAll(), this.#interrupted()]);
    terminal.progress("");
    if (this.#failure !== null) throw this.#explain(this.#failure);
    if (tooLong !== null) throw new CommandError(`${tooLong.message}.\n${this.#soFar()}`, 2);
    if (signal.aborted) {
      terminal.say(this.#interruptedText());
      return 130;
    }
    terminal.say(summaryLine({ ...this.#tally, tookMs: clock.monotonicMs() - startedMs }));
    return 0;
  }

  async #sendAll(): Promise<LineTooLong | null> {
    const tooLong = await this.#readAll();
    while (!this.#batcher.isEmpty && !this.#isOver) await this.#sendBatch();
    await this.#settled;
    return tooLong;
  }

  /** Nothing more is sent after a failure or Ctrl-C. */
  get #isOver(): boolean {
    return this.#failure !== null || this.#context.signal.aborted;
  }

  /** Resolves when Ctrl-C was pressed and patience is over. */
  #interrupted(): Promise<null> {
    const { clock, signal } = this.#context;
    return new Promise((resolve) => {
      const wait = (): void => void clock.after(INTERRUPTED_MS, () => resolve(null));
      if (signal.aborted) wait();
      else signal.addEventListener("abort", wait, { once: true });
    });
  }

  /** Under an id an earlier command may have added what this one did not send. */
  #interruptedText(): string {
    const { entries } = this.#tally;
    const isNamed = this.#requestId !== undefined;
    if (this.#linesSent > entries) {
      const rest = isNamed ? "; what follows was not sent" : "; what follows is not";
      return `interrupted. ${this.#openLines(entries + 1, rest)}`;
    }
    const rest = isNamed
      ? `What follows was not sent. ${this.#afterwards()}`
      : "What follows is not in it.";
    return `interrupted. ${this.#soFar()}${entries === 0 ? "" : ` ${rest}`}`;
  }

  /** What is acknowledged, which lines were sent and have no answer, and what to do about them.
   *  `more`: what else there is to say of the input. */
  #openLines(firstLine: number, more = ""): string {
    const which = linesText("Line", firstLine, this.#linesSent);
    return `${this.#acknowledged()}${which} may or may not be in the log${more}. ${this.#afterwards()}`;
  }

  /** The same where the failed batch is certainly not in the log. */
  #openBehind({ firstLine, lastLine }: Batch): string {
    const absent = linesText("Line", firstLine, lastLine);
    const are = firstLine === lastLine ? "is" : "are";
    const open = linesText("line", lastLine + 1, this.#linesSent);
    return `${this.#acknowledged()}${absent} ${are} not in the log; ${open} may or may not be. ${this.#afterwards()}`;
  }

  #acknowledged(): string {
    if (this.#tally.entries > 0) return `${this.#soFar()} `;
    return this.#isAcknowledgedBehind ? "" : `${NONE_ACKNOWLEDGED} `;
  }

  /** Under an id of their own the batches can be sent again; otherwise a person must look. */
  #afterwards(): string {
    if (this.#requestId !== undefined) {
      const typed = `send - --request-id ${shellQuote(this.#requestId)}`;
      return `To finish it without adding a line twice, with the same input:\n${this.#session.hints.command(typed)}`;
    }
    const { entries, lastIndex } = this.#tally;
    const where =
      entries === 0
        ? `-n ${Math.max(LOOK_AT_ENTRIES, this.#linesSent)}`
        : `--from ${lastIndex + 1}`;
    return `See ${this.#session.hints.command(`log ${where}`)}`;
  }

  async #readAll(): Promise<LineTooLong | null> {
    const splitter = new LineSplitter();
    try {
      for await (const chunk of this.#context.terminal.input) {
        for (const line of splitter.take(chunk)) await this.#add(line);
        if (this.#isOver) return null;
        // What a slow writer has finished goes at once, unless the cuts must be the same next time.
        if (this.#requestId === undefined && this.#underWay < UNDER_WAY_MAX)
          await this.#sendBatch();
      }
      for (const line of splitter.end()) await this.#add(line);
    } catch (error) {
      if (error instanceof LineTooLong) return error;
      if (!this.#context.signal.aborted) throw error;
    }
    return null;
  }

  async #add(line: Uint8Array): Promise<void> {
    if (this.#isOver) return;
    if (this.#batcher.isFullFor(line)) await this.#sendBatch();
    this.#batcher.add(line);
  }

  async #sendBatch(): Promise<void> {
    const most = this.#requestId === undefined ? UNDER_WAY_MAX : UNDER_WAY_NAMED_MAX;
    while (this.#underWay >= most) await this.#settledSome();
    if (this.#batcher.isEmpty || this.#isOver) return;
    const entries = this.#batcher.takeBatch();
    const firstLine = this.#linesSent + 1;
    this.#linesSent += entries.length;
    const batch = { firstLine, lastLine: this.#linesSent };
    this.#batches += 1;
    this.#underWay += 1;
    const requestId =
      this.#requestId === undefined ? {} : { requestId: `${this.#requestId}/${this.#batches}` };
    const sent = this.#session.client
      .send(entries, {
        timeoutMs: this.#session.timeoutMs,
        signal: this.#rest.signal,
        ...requestId,
      })
      .then(
        (receipt) => ({ receipt }),
        (error: unknown) => ({ error }),
      );
    this.#settled = this.#settled.then(async () => this.#settle(await sent, batch));
  }

  async #settle(
    outcome: { readonly receipt: Receipt } | { readonly error: unknown },
    batch: Batch,
  ): Promise<void> {
    this.#underWay -= 1;
    if ("error" in outcome) {
      this.#failure ??= { ...batch, error: outcome.error };
      this.#rest.abort();
      if (isUnknown(outcome.error)) this.#isUnknown = true;
    } else if (this.#failure !== null) {
      this.#isUnknown = true;
      this.#isAcknowledgedBehind = true;
    } else {
      this.#count(outcome.receipt);
      await this.#print(outcome.receipt);
      this.#progress();
    }
    this.#wake();
  }

  /** Replaced by each waiter: called when a batch was settled. */
  #wake: () => void = () => undefined;

  #settledSome(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #count(receipt: Receipt): void {
    if (this.#tally.entries === 0) this.#tally.firstIndex = receipt.index;
    this.#tally.entries += receipt.count;
    this.#tally.lastIndex = receipt.index + receipt.count - 1;
  }

  async #print(receipt: Receipt): Promise<void> {
    if (this.#show === "nothing") return;
    const lines =
      this.#show === "json"
        ? receiptJson(receipt).map((line) => JSON.stringify(line))
        : receiptLines(receipt, []);
    await this.#context.terminal.out(lines.map((line) => `${line}\n`).join(""));
  }

  #progress(): void {
    const { terminal, clock } = this.#context;
    const nowMs = clock.monotonicMs();
    const receiptsAreSeen = terminal.outIsTerminal && this.#show !== "nothing";
    if (nowMs < this.#progressAtMs || receiptsAreSeen) return;
    this.#progressAtMs = nowMs + PROGRESS_EVERY_MS;
    terminal.progress(entriesText(this.#tally.entries));
  }

  /** Which lines are in the log, which are not, which nobody knows of. */
  #explain(failed: Failure): unknown {
    const failure = this.#session.explain(failed.error, false);
    if (!(failure instanceof CommandError)) return failure;
    const { exitCode, message, details } = failure;
    const isAbsent = exitCode === 3 || exitCode === 4;
    const account = !this.#isUnknown
      ? this.#notAdded(failed.firstLine, exitCode)
      : isAbsent
        ? this.#openBehind(failed)
        : this.#openLines(failed.firstLine);
    return new CommandError(`${message}\n${account}`, this.#isUnknown ? 5 : exitCode, {
      ...details,
      entries: this.#tally.entries,
    });
  }

  #notAdded(line: number, exitCode: ExitCode): string {
    // The refusal says why, and what it says of an id that is known already stays true.
    if (exitCode === 8) {
      const before = line === 1 ? "" : `${this.#soFar()} `;
      return `${before}From line ${line} on this command added nothing.`;
    }
    const rest = `${this.#soFar()} Line ${line} and those after it`;
    if (this.#requestId === undefined) return `${rest} are not in it and may be sent again.`;
    return `${rest} were not added by this command; an earlier one under this id may have added them. ${this.#afterwards()}`;
  }

  #soFar(): string {
    const { entries, firstIndex, lastIndex } = this.#tally;
    if (entries === 0)
      return this.#requestId === undefined
        ? "No line of the input is in the log."
        : NONE_ACKNOWLEDGED;
    const span = entries === 1 ? `at ${firstIndex}` : `at ${firstIndex} to ${lastIndex}`;
    return `In the log: the first ${entriesText(entries)} of the input, ${span}.`;
  }
}

/** "line 4", "Lines 4 to 7" */
function linesText(word: "line" | "Line", first: number, last: number): string {
  return first === last ? `${word} ${first}` : `${word}s ${first} to ${last}`;
}

function isUnknown(error: unknown): boolean {
  return error instanceof RaftError && error.exitCode === 5;
}
