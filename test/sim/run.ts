/** Runs seeds of the simulator until time or seeds are used up, and prints what they found:
 *
 *      npx bun test/sim/run.ts --seconds 60        seeds from 1 on; 60 seconds unless it is said
 *      npx bun test/sim/run.ts --seed 4711         that one alone, whatever time it takes
 *      --from 100 --seeds 20                       seeds 100 to 119
 *      --nodes 5                                   so many in every seed, else 3, 5 or 7 by the seed
 *      --elections 40                              faults strike for so many election timeouts
 *      --strikes 6                                 so many times as often as usual
 *      --quiet                                     few customers
 *      --faults                                    a line for each seed: what struck, the healing
 *      --verbose                                   every event and every fault of it
 *      --json                                      the sums alone, as one object
 *
 *  Exit code 1 after a violation; its seed is printed with the command that runs it again. A seed
 *  is drawn here from all troubles at once; `raft simulate --seed` has a plan of its own. */

import { parseArgs } from "node:util";
import { grouped } from "../prove/campaign.ts";
import { answer, lengthOf, wholeOf } from "../prove/typed.ts";
import { runSeed, Tally, type SeedWish } from "./swarm.ts";

interface Asked extends SeedWish {
  readonly first: number;
  readonly last: number;
  /** Wall time, seconds; the first seed is run to its end. */
  readonly seconds: number;
  readonly verbose: boolean;
  readonly faults: boolean;
  readonly json: boolean;
}

await answer(import.meta.url, async () => {
  const asked = typed();
  const startedMs = performance.now();
  const tally = await run(asked, startedMs);
  const seconds = (performance.now() - startedMs) / 1_000;
  const summary = { ...tally.summary(), seconds };
  console.log(asked.json ? JSON.stringify(summary) : summary);
  if (!asked.json) console.log(verdict(tally, asked.first));
  return tally.failures.length === 0 ? 0 : 1;
});
// A run may leave timers of its world behind.
process.exit();

function typed(): Asked {
  const { values } = parseArgs({
    options: {
      seed: { type: "string" },
      from: { type: "string", default: "1" },
      seeds: { type: "string" },
      seconds: { type: "string", default: "60" },
      nodes: { type: "string" },
      elections: { type: "string" },
      strikes: { type: "string" },
      verbose: { type: "boolean", default: false },
      faults: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      quiet: { type: "boolean", default: false },
    },
  });
  const { seed, seeds, nodes, elections, strikes, verbose, faults, json, quiet } = values;
  const first = seed === undefined ? wholeOf("--from", values.from) : wholeOf("--seed", seed);
  const count = seeds === undefined ? Infinity : wholeOf("--seeds", seeds, 1);
  return {
    first,
    last: seed === undefined ? first + count - 1 : first,
    seconds: lengthOf("--seconds", values.seconds),
    ...(nodes !== undefined && { nodes: wholeOf("--nodes", nodes, 1) }),
    ...(elections !== undefined && { elections: wholeOf("--elections", elections, 1) }),
    ...(strikes !== undefined && { strikes: wholeOf("--strikes", strikes, 1) }),
    verbose,
    faults,
    json,
    quiet,
  };
}

async function run(asked: Asked, startedMs: number): Promise<Tally> {
  const { first, last, seconds, nodes, elections, strikes, quiet = false } = asked;
  const { verbose, faults, json } = asked;
  const tally = new Tally();
  const wish = {
    ...(nodes !== undefined && { nodes }),
    ...(elections !== undefined && { elections }),
    ...(strikes !== undefined && { strikes }),
    ...(verbose && { verbose }),
    quiet,
  };
  for (let seed = first; seed <= last; seed++) {
    if (seed > first && performance.now() - startedMs > seconds * 1_000) break;
    const outcome = await runSeed(
      seed,
      wish,
      verbose
        ? {
            onEvent: ({ id }, event, nowMs) =>
              console.log(nowMs.toFixed(2), id, JSON.stringify(event).slice(0, 300)),
            onFault: (sentence, nowMs) => console.log(nowMs.toFixed(2), sentence),
          }
        : {},
    );
    const said = tally.add(outcome);
    if (faults && !json) {
      const met = [outcome.strikes, outcome.faults].map((counts) => Object.fromEntries(counts));
      console.log(seed, ...met, outcome.liveness, outcome.fingerprint);
    }
    if (said !== null && !json) console.log(said);
  }
  return tally;
}

function verdict(
  { seeds, worldHours, faults, operations, failures }: Tally,
  first: number,
): string {
  const tried = seeds === 1 ? `seed ${first}` : `${seeds} seeds, ${first} to ${first + seeds - 1}`;
  const went = `${worldHours.toFixed(worldHours < 0.1 ? 4 : 2)} cluster-hours, ${grouped(faults)} faults, ${grouped(operations)} operations`;
  if (failures.length === 0) return `ok: every promise held (${tried}: ${went})`;
  return `BROKEN in ${failures.length} of ${tried} (${went}): ${failures.map(({ seed }) => seed).join(", ")}`;
}
