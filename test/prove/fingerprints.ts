/** Prints the fingerprint of one short run for each of some seeds, a line each. Runs on Bun and,
 *  bundled, on Node: `determinism.ts` compares the two.
 *
 *      bun test/prove/fingerprints.ts FROM TO */

import { NEMESES } from "../../src/sim/nemesis/index.ts";
import { swarmPlan } from "../../src/sim/plan.ts";
import { simulate } from "../../src/sim/simulation.ts";

/** Long enough for elections and most faults, in election timeouts. */
const SHORT_ELECTIONS = 6;
/** What differs between runtimes differs with one customer, too. */
const QUIET = { customers: 1, outstanding: 2, strikes: 4 };
const NODES = [3, 3, 5];

const [from = 1, to = 1] = process.argv.slice(2).map(Number);
const names = NEMESES.map(({ name }) => name);
for (let seed = from; seed <= to; seed++) {
  const plan = swarmPlan(seed, NODES[seed % NODES.length] ?? 3, names);
  const faultsMs = plan.timings.electionMaxMs * SHORT_ELECTIONS;
  const { fingerprint, events } = await simulate({ ...plan, ...QUIET, faultsMs });
  console.log(`${seed} ${fingerprint} ${events}`);
}
