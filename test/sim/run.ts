/** Runs seeds until time or seeds are used up, and prints what they found. By hand:
 *
 *      bun test/sim/run.ts --seconds 60            seeds from 1 on
 *      bun test/sim/run.ts --seed 4711             that one alone
 *
 *  Exit code 1 after a violation; its seed is printed. */

import { parseArgs } from "node:util";
import { NEMESES } from "../../src/sim/nemesis/index.ts";
import { swarmPlan } from "../../src/sim/plan.ts";
import { simulate } from "../../src/sim/simulation.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    from: { type: "string", default: "1" },
    seconds: { type: "string", default: "60" },
    nodes: { type: "string" },
    verbose: { type: "boolean", default: false },
    faults: { type: "boolean", default: false },
  },
});

const names = NEMESES.map(({ name }) => name);
const startedMs = performance.now();
const totals = { seeds: 0, events: 0, worldMs: 0, faults: 0, acknowledged: 0, bad: 0 };
const first = Number(values.seed ?? values.from);
const last = values.seed === undefined ? Infinity : first;
for (let seed = first; seed <= last; seed++) {
  if (performance.now() - startedMs > Number(values.seconds) * 1_000) break;
  const nodes = values.nodes === undefined ? [3, 3, 3, 5, 7][seed % 5] : Number(values.nodes);
  const plan = swarmPlan(seed, nodes ?? 3, names);
  const outcome = await simulate(plan, {
    ...(values.verbose && {
      onEvent: ({ id }, event, nowMs) =>
        console.log(nowMs.toFixed(2), id, JSON.stringify(event).slice(0, 300)),
      onFault: (sentence, nowMs) => console.log(nowMs.toFixed(2), sentence),
    }),
  });
  totals.seeds += 1;
  totals.events += outcome.events;
  totals.worldMs += outcome.worldMs;
  totals.acknowledged += outcome.acknowledged;
  for (const count of outcome.faults.values()) totals.faults += count;
  if (values.faults) console.log(seed, Object.fromEntries(outcome.faults), outcome.fingerprint);
  if (outcome.violations.length === 0) continue;
  totals.bad += 1;
  console.log(
    `seed ${seed} (bun test/sim/run.ts --seed ${seed})\n  ${outcome.violations.join("\n  ")}`,
  );
}
const seconds = (performance.now() - startedMs) / 1_000;
console.log({
  ...totals,
  worldHours: totals.worldMs / 3_600_000,
  seconds,
  eventsPerSecond: Math.round(totals.events / seconds),
});
process.exit(totals.bad === 0 ? 0 : 1);
