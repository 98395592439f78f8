/** The scoreboard's line on fuzzing: hostile datagrams against the endpoints of a node and of a
 *  client and against the discovery port (test/fuzz/wire-fuzz.ts).
 *
 *      bun test/prove/fuzz.ts [SECONDS] [SEED] [TARGET]      runs it alone */

import { WireFuzz } from "../fuzz/wire-fuzz.ts";
import type { Budget, Figure, Measure } from "./measure.ts";

/** Rounds between two looks at the clock. */
const ROUNDS_AT_ONCE = 64;
/** Bytes by which the process may grow: what may be unfinished of nodes and of clients, and room for
 *  garbage. */
const GROWTH_BYTES_MAX = 512 * 1_048_576;
/** A round of 64 datagrams, with a collection of garbage and a busy neighbour in it. */
const ROUND_MS_MAX = 5_000;

export const fuzz: Measure = {
  name: "fuzz",
  title: "datagrams fuzzed, crashes",
  unit: "datagrams",
  targets: { ci: 5_000_000, hour: 100_000_000 },
  demand: "0 crashes",
  weight: 1,
  unavailable: () => null,
  run: (budget) => Promise.resolve(run(budget)),
};

function run(budget: Budget): Figure {
  const startedMs = performance.now();
  const endMs = startedMs + budget.seconds * 1_000;
  const startBytes = process.memoryUsage().rss;
  const wire = new WireFuzz(budget.seed);
  let saidMs = startedMs;
  let done = 0;
  while (done < budget.target && performance.now() < endMs && wire.failures.length === 0) {
    for (let i = 0; i < ROUNDS_AT_ONCE && wire.round(); i++);
    done = wire.total;
    if (performance.now() - saidMs < 1_000) continue;
    saidMs = performance.now();
    budget.progress(`${grouped(done)} datagrams`);
  }
  const failures = wire.failures.map((failure) => failure.split("\n")[0]!);
  const grownBytes = process.memoryUsage().rss - startBytes;
  if (grownBytes > GROWTH_BYTES_MAX) failures.push(`the process grew by ${grownBytes} bytes`);
  if (wire.slowestMs > ROUND_MS_MAX)
    failures.push(`a round of 64 datagrams took ${wire.slowestMs} ms`);
  const bad = failures.length === 0 ? 0 : 1;
  const perSecond = Math.round((done * 1_000) / (performance.now() - startedMs));
  return {
    done,
    bad,
    ok: bad === 0,
    text: `${bad} of ${grouped(done)} (${grouped(perSecond)} a second; ${renderKinds(wire)})`,
    failures: failures.map((failure) => `${failure}; bun test/prove/fuzz.ts 600 ${budget.seed}`),
  };
}

function renderKinds(wire: WireFuzz): string {
  const kinds = [...wire.counts]
    .sort(([, a], [, b]) => b - a)
    .map(([kind, count]) => `${kind} ${grouped(count)}`);
  const { delivered, decoded } = wire.world;
  const inside = `about ${grouped(wire.opened)} sealed bodies read to the end`;
  const through = `${grouped(delivered)} frames came through, ${grouped(decoded)} of them requests or responses that could be read`;
  return `${kinds.join(", ")}; ${inside}, ${through}; slowest round ${Math.round(wire.slowestMs)} ms`;
}

function grouped(count: number): string {
  return count.toLocaleString("en-US");
}

if (import.meta.main) {
  const [seconds = 60, seed = 1, target = fuzz.targets.ci] = process.argv.slice(2).map(Number);
  const figure = await fuzz.run({
    target,
    seconds,
    seed,
    progress: (text) => console.error(text),
  });
  console.log(figure.text);
  for (const failure of figure.failures) console.log(failure);
}
