/** The simulator as a suite for one planted bug: seeds from 1 on until an invariant breaks or the
 *  CPU time is used up. The flag and the preload plant the bug:
 *
 *      RAFT_PLANT=NAME bun --preload ./test/planted/preload.ts test/planted/simulate.ts SECONDS [SEED]
 *
 *  Prints what broke in which seed and exits 1; exits 0 when nothing did. */
import { NEMESES } from "../../src/sim/nemesis/index.ts";
import { swarmPlan } from "../../src/sim/plan.ts";
import { simulate } from "../../src/sim/simulation.ts";
import { nodesOf } from "../sim/swarm.ts";

const [seconds = "60", only] = process.argv.slice(2);
const names = NEMESES.map(({ name }) => name);
let seed = Number(only ?? 1);
for (; process.cpuUsage().user / 1e6 < Number(seconds); seed++) {
  const { violations } = await simulate(swarmPlan(seed, nodesOf(seed), names));
  if (violations.length > 0) {
    console.log(`seed ${seed}: ${violations[0]}`);
    process.exitCode = 1;
    break;
  }
  if (only !== undefined) break;
}
if (process.exitCode !== 1) console.log(`nothing broke before seed ${seed}`);
// Timers of a world that was broken off are nobody's.
process.exit();
