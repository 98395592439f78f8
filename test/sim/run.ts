/** Runs seeds until time or seeds are used up, and prints what they found. By hand:
 *
 *      bun test/sim/run.ts --seconds 60            seeds from 1 on
 *      bun test/sim/run.ts --seed 4711             that one alone
 *
 *  Exit code 1 after a violation; its seed is printed with the command that runs it again. */

import { parseArgs } from "node:util";
import { runSeed, Tally } from "./swarm.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    from: { type: "string", default: "1" },
    seeds: { type: "string" },
    seconds: { type: "string", default: "60" },
    nodes: { type: "string" },
    elections: { type: "string" },
    verbose: { type: "boolean", default: false },
    faults: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    quiet: { type: "boolean", default: false },
  },
});

const tally = new Tally();
const startedMs = performance.now();
const first = Number(values.seed ?? values.from);
const last = values.seed === undefined ? first + Number(values.seeds ?? Infinity) - 1 : first;
for (let seed = first; seed <= last; seed++) {
  if (performance.now() - startedMs > Number(values.seconds) * 1_000) break;
  const outcome = await runSeed(
    seed,
    {
      ...(values.nodes !== undefined && { nodes: Number(values.nodes) }),
      ...(values.elections !== undefined && { elections: Number(values.elections) }),
      ...(values.verbose && { verbose: true }),
      quiet: values.quiet,
    },
    values.verbose
      ? {
          onEvent: ({ id }, event, nowMs) =>
            console.log(nowMs.toFixed(2), id, JSON.stringify(event).slice(0, 300)),
          onFault: (sentence, nowMs) => console.log(nowMs.toFixed(2), sentence),
        }
      : {},
  );
  const said = tally.add(outcome);
  if (values.faults && !values.json)
    console.log(seed, Object.fromEntries(outcome.faults), outcome.liveness, outcome.fingerprint);
  if (said !== null && !values.json) console.log(said);
}
const seconds = (performance.now() - startedMs) / 1_000;
const summary = { ...tally.summary(), seconds };
console.log(values.json ? JSON.stringify(summary) : summary);
process.exit(tally.failures.length === 0 ? 0 : 1);
