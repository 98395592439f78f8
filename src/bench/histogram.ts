/** Latencies by an HDR histogram (hdrhistogram.org): three digits of every value from a nanosecond
 *  to an hour, in a quarter of a megabyte, 50 ns a value. Runtimes bring its C implementation with
 *  them, so no package is needed; nothing here reads a clock. */
import { createHistogram } from "node:perf_hooks";

/** In microseconds, as they are reported. */
export interface Percentiles {
  readonly p50Us: number;
  readonly p90Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  readonly maxUs: number;
}

const NS_PER_MS = 1_000_000;
const NS_PER_US = 1_000;
const LONGEST_NS = 3_600_000_000_000;

export class LatencyHistogram {
  readonly #histogram = createHistogram({ lowest: 1, highest: LONGEST_NS, figures: 3 });

  /** Anything below a nanosecond counts as one, anything above an hour as that. */
  record(ms: number): void {
    this.#histogram.record(Math.min(LONGEST_NS, Math.max(1, Math.round(ms * NS_PER_MS))));
  }

  get count(): number {
    return this.#histogram.count;
  }

  /** All 0 while nothing was recorded. */
  percentiles(): Percentiles {
    const us = (ns: number) => (this.count === 0 ? 0 : Math.round(ns / 100) / (NS_PER_US / 100));
    // A percentile is the upper end of its step, which may be above the largest value.
    const { max } = this.#histogram;
    const at = (percent: number) => us(Math.min(max, this.#histogram.percentile(percent)));
    return {
      p50Us: at(50),
      p90Us: at(90),
      p99Us: at(99),
      p999Us: at(99.9),
      maxUs: us(max),
    };
  }
}
