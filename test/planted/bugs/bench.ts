/** The benchmark: one that flatters, or that finds everything in order. */
import type { Bug, Row } from "../bug.ts";

const LOAD = ["test/bench/load.test.ts"];
const WRITTEN = ["test/bench/written.test.ts"];

const rows: readonly Row[] = [
  {
    name: "bench-omits-waiting",
    knownBug: "own",
    file: "src/bench/load.ts",
    find: "      this.send(this.#slot(), dueMs);\n",
    replace: "      this.send(this.#slot(), nowMs);\n",
    sentence:
      "A latency counts from the sending: what should have been sent in a pause waits for free.",
    unit: LOAD,
  },
  {
    name: "bench-forgets-unsent",
    knownBug: "own",
    file: "src/bench/load.ts",
    find: "      if (dueMs >= this.fromMs) this.latencies.record(nowMs - dueMs);\n",
    replace: "",
    sentence: "What was due and never sent is in no percentile.",
    unit: LOAD,
  },
  {
    name: "bench-counts-warm-up",
    knownBug: "own",
    file: "src/bench/load.ts",
    find: "    this.fromMs = startMs + warmUpMs;\n    this.untilMs = this.fromMs + measureMs;\n",
    replace: "    this.fromMs = startMs;\n    this.untilMs = startMs + warmUpMs + measureMs;\n",
    sentence: "The warm-up is in the figures.",
    unit: LOAD,
  },
  {
    name: "bench-misses-lost",
    knownBug: "own",
    file: "src/bench/written.ts",
    find: "      if (index !== 0 && seenAt.get(number) === 0)\n",
    replace: "      if (index !== 0 && seenAt.get(number) < 0)\n",
    sentence: "An acknowledged entry that is not in the log is not missed.",
    unit: WRITTEN,
  },
  {
    name: "bench-misses-doubled",
    knownBug: "own",
    file: "src/bench/written.ts",
    find: "      seenAt.set(number, index);\n",
    replace: "      seenAt.set(number, index);\n      if (before !== 0) continue;\n",
    sentence: "An entry may be in the log twice.",
    unit: WRITTEN,
  },
  {
    name: "bench-misses-moved",
    knownBug: "own",
    file: "src/bench/written.ts",
    find: "      else if (acknowledgedAt === index) verified++;\n",
    replace: "      else if (acknowledgedAt !== 0) verified++;\n",
    sentence: "An entry may be at another index than its acknowledgement said.",
    unit: WRITTEN,
  },
];

export const bench: readonly Bug[] = rows.map((row) => ({ random: [], ...row }));
