/** Plants the bug that RAFT_PLANT names into a script:
 *
 *      RAFT_PLANT=commit-older-term bun --preload ./test/planted/preload.ts SCRIPT */
import { bunPlugin, plantedBug } from "./planting.ts";

const bug = plantedBug(process.env);
if (bug !== null) await Bun.plugin(bunPlugin(bug));
