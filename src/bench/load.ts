/** Loads a cluster and measures it.
 *
 *  A *closed loop* keeps a number of entries under way: each receipt sends the next one, so a slow
 *  moment slows the load too. An *open loop* sends at a rate, whatever comes back; a latency counts
 *  from the moment at which the entry was due, so a pause is paid for by everything that should
 *  have been sent meanwhile (else it would count once: coordinated omission).
 *
 *  It shares the machine with what it measures: an entry costs a number written into a buffer that
 *  is used again once its receipt is there, and two readings of the clock. */
import type { LogIndex, MonotonicMs, Term } from "../base/types.ts";
import type { Clock } from "../transport/clock.ts";
import type { EntryForm } from "./entries.ts";
import { LatencyHistogram, type Percentiles } from "./histogram.ts";
import { Pauses, type PauseFigures } from "./pauses.ts";
import { Written } from "./written.ts";

/** What of a receipt counts here; not every cluster tells a term. */
interface Landed {
  readonly index: LogIndex;
  readonly term?: Term;
}

/** A session of the cluster under load. */
export interface LoadTarget {
  send(entry: Uint8Array, options: { readonly timeoutMs: number }): Promise<Landed>;
}

export interface LoadOptions {
  readonly targets: readonly LoadTarget[];
  readonly form: EntryForm;
  readonly clock: Clock;
  /** How long one entry may take, ms; that of a person's patience unless given. */
  readonly timeoutMs?: number;
  /** The load ends early when it has sent so many; 50 million unless given. */
  readonly entriesMax?: number;
}

/** How long a load goes on. */
export interface Span {
  /** Of measuring, in seconds. */
  readonly seconds: number;
  /** Before it: sessions open, code is compiled, windows fill. 1 s unless given, and never longer
   *  than half of the measuring. */
  readonly warmUpSeconds?: number;
}

export interface ClosedSpan extends Span {
  /** Entries under way, over all targets; each target has its share. */
  readonly outstanding: number;
}

export interface OpenSpan extends Span {
  /** Entries a second, over all targets. */
  readonly rate: number;
}

/** What was measured. Latencies in a closed loop are from the call to the receipt. */
export interface LoadFigures extends Percentiles, PauseFigures {
  /** Measured time; shorter than asked for when it was stopped. */
  readonly seconds: number;
  /** Acknowledged within it. */
  readonly entries: number;
  readonly entriesPerSecond: number;
  readonly bytesPerSecond: number;
  /** Entries in the percentiles: all that were under way within the measured time, in an open loop
   *  all that were due within it. */
  readonly timed: number;
  /** Open loop: due, and never sent because the loop was stopped or too far behind. They are in the
   *  percentiles with the age that they had reached. */
  readonly unsent: number;
  /** Open loop: how late the load itself sent, at the median; its timers count milliseconds. */
  readonly lateP50Us: number;
  /** What ended the load early, or null. */
  readonly failure: Error | null;
}

/** What `load` is doing, for those who watch. */
export type LoadPhase = "warming up" | "measuring" | "waiting for the last receipts";

const TIMEOUT_MS = 30_000;
const WARM_UP_SECONDS = 1;
/** Open loop, sent and not acknowledged: entries and bytes. What is due beyond that waits here, and
 *  its time runs. */
const UNDER_WAY_MAX = 50_000;
const UNDER_WAY_BYTES_MAX = 48 << 20;

export class Load {
  readonly written: Written;
  /** Called at the beginning of each phase. */
  onPhase: (phase: LoadPhase) => void = () => undefined;
  readonly #options: LoadOptions;
  #loop: Loop | null = null;

  constructor(options: LoadOptions) {
    this.#options = options;
    this.written = new Written(options.form, options.entriesMax);
  }

  /** Several may follow each other; what they wrote is verified together. */
  closed(span: ClosedSpan): Promise<LoadFigures> {
    return this.#run(span, new ClosedLoop(this.#options, this.written, span.outstanding));
  }

  open(span: OpenSpan): Promise<LoadFigures> {
    return this.#run(span, new OpenLoop(this.#options, this.written, span.rate));
  }

  /** Ends the running loop early: figures are of what was measured until now. */
  stop(): void {
    this.#loop?.stop();
  }

  async #run({ seconds, warmUpSeconds = WARM_UP_SECONDS }: Span, loop: Loop): Promise<LoadFigures> {
    const { clock } = this.#options;
    const warmUpMs = Math.min(warmUpSeconds, seconds / 2) * 1_000;
    const last: LoadPhase = "waiting for the last receipts";
    let isLast = false;
    const enter = (phase: LoadPhase): void => {
      isLast = phase === last;
      this.onPhase(phase);
    };
    enter("warming up");
    const cancels = [
      clock.after(warmUpMs, () => enter("measuring")),
      clock.after(warmUpMs + seconds * 1_000, () => enter(last)),
    ];
    this.#loop = loop;
    try {
      return await loop.run(warmUpMs, seconds * 1_000);
    } finally {
      for (const cancel of cancels) cancel();
      // The last receipts may have been faster than the timer.
      if (!isLast) enter(last);
      this.#loop = null;
    }
  }
}

/** An entry under way and its buffer. */
interface Slot {
  readonly entry: Uint8Array;
  readonly target: LoadTarget;
  number: number;
  /** From when its latency counts. */
  fromMs: MonotonicMs;
  readonly landed: (receipt: Landed) => void;
  readonly failed: (error: unknown) => void;
}

abstract class Loop {
  #entries = 0;
  protected readonly options: LoadOptions;
  protected readonly latencies = new LatencyHistogram();
  protected readonly lateness = new LatencyHistogram();
  protected fromMs: MonotonicMs = 0;
  protected untilMs: MonotonicMs = 0;
  protected underWay = 0;
  protected unsent = 0;
  readonly #written: Written;
  readonly #sendOptions: { readonly timeoutMs: number };
  readonly #pauses = new Pauses();
  #failure: Error | null = null;
  #finish: () => void = () => undefined;

  constructor(options: LoadOptions, written: Written) {
    this.options = options;
    this.#written = written;
    this.#sendOptions = { timeoutMs: options.timeoutMs ?? TIMEOUT_MS };
  }

  /** Sends the first entries. */
  protected abstract begin(nowMs: MonotonicMs): void;

  /** An entry was acknowledged: counts it, and goes on with its slot. */
  protected abstract goOn(slot: Slot, nowMs: MonotonicMs): void;

  /** Nothing more is sent. */
  protected abstract end(nowMs: MonotonicMs): void;

  /** Whether there is nothing more to send. */
  protected abstract get isOver(): boolean;

  async run(warmUpMs: number, measureMs: number): Promise<LoadFigures> {
    const startMs = this.options.clock.monotonicMs();
    this.fromMs = startMs + warmUpMs;
    this.untilMs = this.fromMs + measureMs;
    const finished = new Promise<void>((resolve) => {
      this.#finish = resolve;
    });
    this.begin(startMs);
    await finished;
    return this.#figures();
  }

  stop(): void {
    const nowMs = this.options.clock.monotonicMs();
    this.untilMs = Math.min(this.untilMs, Math.max(this.fromMs, nowMs));
    this.fromMs = Math.min(this.fromMs, this.untilMs);
    this.end(nowMs);
    this.maybeFinish();
  }

  protected maybeFinish(): void {
    if (this.underWay === 0 && this.isOver) this.#finish();
  }

  protected slot(target: LoadTarget): Slot {
    const slot: Slot = {
      entry: this.options.form.blank(),
      target,
      number: 0,
      fromMs: 0,
      landed: (receipt) => this.#landed(slot, receipt),
      failed: (error) => this.#failed(error),
    };
    return slot;
  }

  protected send(slot: Slot, fromMs: MonotonicMs): void {
    slot.fromMs = fromMs;
    slot.number = this.#written.next(slot.entry);
    this.underWay++;
    slot.target.send(slot.entry, this.#sendOptions).then(slot.landed, slot.failed);
  }

  #landed(slot: Slot, { index, term }: Landed): void {
    const nowMs = this.options.clock.monotonicMs();
    this.#written.acknowledge(slot.number, index);
    this.#pauses.landed(nowMs, term, this.fromMs, this.untilMs);
    if (nowMs >= this.fromMs && nowMs < this.untilMs) this.#entries++;
    this.underWay--;
    if (this.#written.isFull) this.stop();
    this.goOn(slot, nowMs);
    this.maybeFinish();
  }

  #failed(error: unknown): void {
    this.underWay--;
    this.#failure ??= error instanceof Error ? error : new Error(String(error));
    this.stop();
  }

  #figures(): LoadFigures {
    const seconds = Math.round(this.untilMs - this.fromMs) / 1_000;
    const entriesPerSecond = seconds > 0 ? this.#entries / seconds : 0;
    return {
      ...this.latencies.percentiles(),
      ...this.#pauses.figures(this.fromMs, this.untilMs),
      seconds,
      entries: this.#entries,
      entriesPerSecond,
      bytesPerSecond: entriesPerSecond * this.options.form.size,
      timed: this.latencies.count,
      unsent: this.unsent,
      lateP50Us: this.lateness.percentiles().p50Us,
      failure: this.#failure,
    };
  }
}

class ClosedLoop extends Loop {
  readonly #outstanding: number;
  #stopped = false;

  constructor(options: LoadOptions, written: Written, outstanding: number) {
    super(options, written);
    this.#outstanding = outstanding;
  }

  protected get isOver(): boolean {
    return this.#stopped;
  }

  protected begin(nowMs: MonotonicMs): void {
    const { targets } = this.options;
    for (let at = 0; at < this.#outstanding; at++) {
      const target = targets[at % targets.length];
      if (target !== undefined) this.send(this.slot(target), nowMs);
    }
  }

  /** Whatever was under way within the measured time: what a pause holds up at its end counts too,
   *  however late its receipt comes. */
  protected goOn(slot: Slot, nowMs: MonotonicMs): void {
    if (nowMs >= this.fromMs && slot.fromMs < this.untilMs)
      this.latencies.record(nowMs - slot.fromMs);
    this.#stopped ||= nowMs >= this.untilMs;
    if (!this.#stopped) this.send(slot, nowMs);
  }

  protected end(): void {
    this.#stopped = true;
  }
}

class OpenLoop extends Loop {
  readonly #rate: number;
  readonly #underWayMax: number;
  readonly #free: Slot[] = [];
  #startMs: MonotonicMs = 0;
  /** Entries that were sent: the next one is due at `#dueMs(#sent)`. */
  #sent = 0;
  /** When those that are still due are given up. */
  #giveUpMs: MonotonicMs = Infinity;
  #stopped = false;
  #cancelTick: () => void = () => undefined;

  constructor(options: LoadOptions, written: Written, rate: number) {
    super(options, written);
    this.#rate = rate;
    const fit = Math.floor(UNDER_WAY_BYTES_MAX / options.form.size);
    this.#underWayMax = Math.max(1, Math.min(UNDER_WAY_MAX, fit));
  }

  protected get isOver(): boolean {
    return this.#stopped || this.#dueMs(this.#sent) >= this.untilMs;
  }

  protected begin(nowMs: MonotonicMs): void {
    this.#startMs = nowMs;
    this.#giveUpMs = this.untilMs + (this.untilMs - this.fromMs);
    this.#tick();
  }

  protected goOn(slot: Slot, nowMs: MonotonicMs): void {
    if (slot.fromMs >= this.fromMs && slot.fromMs < this.untilMs)
      this.latencies.record(nowMs - slot.fromMs);
    this.#free.push(slot);
    // The only one who sends while so many are under way that the timer rests.
    if (this.underWay === this.#underWayMax - 1) this.#tick();
  }

  /** What is due by now and was not sent counts with its age. */
  protected end(nowMs: MonotonicMs): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#cancelTick();
    for (; this.#dueMs(this.#sent + this.unsent) < this.untilMs; this.unsent++) {
      const dueMs = this.#dueMs(this.#sent + this.unsent);
      if (dueMs >= this.fromMs) this.latencies.record(nowMs - dueMs);
    }
  }

  #dueMs(number: number): MonotonicMs {
    return this.#startMs + (number * 1_000) / this.#rate;
  }

  #tick(): void {
    this.#cancelTick();
    const { clock } = this.options;
    const nowMs = clock.monotonicMs();
    if (nowMs >= this.#giveUpMs) this.end(nowMs);
    while (!this.isOver && this.underWay < this.#underWayMax) {
      const dueMs = this.#dueMs(this.#sent);
      if (dueMs > nowMs) {
        this.#cancelTick = clock.after(dueMs - nowMs, () => this.#tick());
        return;
      }
      this.lateness.record(nowMs - dueMs);
      this.send(this.#slot(), dueMs);
      this.#sent++;
    }
    this.maybeFinish();
  }

  #slot(): Slot {
    const { targets } = this.options;
    const free = this.#free.pop();
    if (free !== undefined) return free;
    const target = targets[this.#sent % targets.length];
    if (target === undefined) throw new RangeError("nobody to send to");
    return this.slot(target);
  }
}
