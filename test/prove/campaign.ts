/** Several rounds side by side until a measure's target is reached or its time is over. */
import type { Budget, Figure } from "./measure.ts";
import type { RoundReport } from "./round.ts";

/** Kept for the last reads and the checks of a round, ms. */
const JUDGE_MS = 4_000;

export class Campaign {
  readonly budget: Budget;
  readonly violations: string[] = [];
  readonly sums = { operations: 0, entriesAcknowledged: 0, unknown: 0, reads: 0, kills: 0 };
  /** The measure's units that were done, in rounds that are over or under way. */
  done = 0;
  readonly #untilMs: number;
  #toldMs = 0;

  constructor(budget: Budget) {
    this.budget = budget;
    const forTroubleMs = Math.max(budget.seconds * 1_000 - JUDGE_MS, budget.seconds * 500);
    this.#untilMs = performance.now() + forTroubleMs;
  }

  get isOver(): boolean {
    return this.done >= this.budget.target || performance.now() >= this.#untilMs;
  }

  /** Counts units as they are done, and tells who waits. */
  count(units: number, unit: string): void {
    this.done += units;
    const nowMs = performance.now();
    if (nowMs - this.#toldMs < 1_000) return;
    this.#toldMs = nowMs;
    const { target, progress } = this.budget;
    const broken = this.violations.length;
    progress(`${grouped(this.done)} of ${grouped(target)} ${unit}, ${broken} broken promises`);
  }

  /** Runs rounds in `lanes` lanes; each gets a seed of its own. */
  async run(lanes: number, round: (seed: number) => Promise<RoundReport>): Promise<void> {
    let seed = this.budget.seed;
    const lane = async (): Promise<void> => {
      do {
        const own = seed++;
        const report = await round(own).catch((error: unknown) => String(error));
        if (typeof report === "string") {
          // Another round could not be run either; the other lanes judge what they have.
          this.violations.push(`the round of seed ${own} could not be run: ${report}`);
          return;
        }
        this.#add(report);
      } while (!this.isOver);
    };
    await Promise.all(Array.from({ length: lanes }, lane));
  }

  #add(report: RoundReport): void {
    this.violations.push(...report.violations);
    for (const key of ["operations", "entriesAcknowledged", "unknown", "reads", "kills"] as const)
      this.sums[key] += report[key];
  }

  /** The figure of a measure that allows nothing bad. */
  figure(name: string, text: string): Figure {
    const bad = this.violations.length;
    return {
      done: this.done,
      bad,
      text,
      ok: bad === 0 && this.done > 0,
      failures: this.violations.map(
        (violation) => `${violation} (npm run prove -- --only ${name} --seed ${this.budget.seed})`,
      ),
    };
  }
}

/** 12345 as "12,345". */
export function grouped(count: number): string {
  return count.toLocaleString("en");
}
