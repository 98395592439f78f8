/** The simulator as a suite for one planted bug: seeds from 1 on until a promise breaks or the CPU
 *  time is used up. Many short runs instead of few long ones: what only the history of a whole run
 *  shows is judged at its end. The flag and the preload plant the bug:
 *
 *      RAFT_PLANT=NAME bun --preload ./test/planted/preload.ts test/planted/simulate.ts SECONDS [SEED]
 *
 *  Prints what broke in which seed and exits 1; exits 0 when nothing did. */
import { runSeed } from "../sim/swarm.ts";

/** How long faults strike in each seed, election timeouts. */
const ELECTIONS = 25;
/** Of so many seeds one has as many customers as it draws, and meets what only a load shows; the
 *  others have few and are over sooner. */
const LOADED_ONE_OF = 8;
const LOADED_FIRST = 2;

const [seconds = "60", only] = process.argv.slice(2);
let seed = Number(only ?? 1);
for (; process.cpuUsage().user / 1e6 < Number(seconds); seed++) {
  const { violations } = await runSeed(seed, {
    elections: ELECTIONS,
    quiet: seed % LOADED_ONE_OF !== LOADED_FIRST,
  });
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
