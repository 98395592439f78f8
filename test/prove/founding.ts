/** The scoreboard's line on founding: the whole space of three founders with wipes and restarts,
 *  stage by stage (test/node/founding-search.ts).
 *
 *      npx bun test/prove/founding.ts [SECONDS] [TARGET]      runs it alone
 *
 *  It can fail. With rules of src/node/formation.ts loosened by hand, one wipe suffices:
 *  - a record that a majority has signed makes members: a split after 9,117 states;
 *  - a founder takes a record that names another incarnation of its id: it waits for ever and
 *    cannot say why, after 96;
 *  - the word of a member is not enough: an acknowledged entry is out of reach, after 14,278;
 *  - a founder never takes a record, or forgets who has signed: not everybody becomes a member. */

import { parseArgs } from "node:util";

import { checkWorld } from "../node/founding-checks.ts";
import { type SearchResult, search } from "../node/founding-search.ts";
import { FoundingSpace } from "../node/founding-space.ts";
import { grouped } from "./campaign.ts";
import type { Budget, Figure, Measure } from "./measure.ts";
import { answer, lengthOf, wholeOf, wordsOf } from "./typed.ts";

/** What may happen beside every order of datagrams, late ones and lost ones included. The promised
 *  ones first; the last one is as long as the time that is given. */
const STAGES = [
  { wipes: 2, crashes: 0 },
  { wipes: 1, crashes: 1 },
  { wipes: 0, crashes: 3 },
  { wipes: 2, crashes: 1 },
] as const;

export const measure: Measure = {
  name: "founding",
  title: "founding searched: states with up to two wipes",
  unit: "states",
  targets: { ci: 2_800_000, hour: 50_000_000 },
  demand: "no split, nothing acknowledged out of reach",
  weight: 3,
  unavailable: () => null,
  run: (budget) => Promise.resolve(run(budget)),
};

/** The seed chooses nothing: there is one space. */
function run(budget: Budget): Figure {
  const endMs = performance.now() + budget.seconds * 1_000;
  const stages: string[] = [];
  let done = 0;
  let worlds = 0;
  let failed: SearchResult | null = null;
  let saidMs = performance.now();
  for (const { wipes, crashes } of STAGES) {
    if (done >= budget.target || performance.now() >= endMs || failed !== null) break;
    const before = done;
    const enough = (states: number): boolean => {
      const nowMs = performance.now();
      if (nowMs - saidMs >= 1_000) {
        saidMs = nowMs;
        budget.progress(`${grouped(before + states)} states, ${wipes} wipes`);
      }
      return nowMs >= endMs || before + states >= budget.target;
    };
    const found = search(new FoundingSpace(), { wipes, crashes, enough, check: checkWorld });
    done += found.states;
    worlds += found.worlds;
    if (found.failure !== null) failed = found;
    const extent = found.whole ? "all" : "the first";
    stages.push(`${wipes} wipes and ${crashes} restarts: ${extent} ${grouped(found.states)}`);
  }
  const bad = failed === null ? 0 : 1;
  const text = `${bad} of ${grouped(done)} (${stages.join("; ")}; ${grouped(worlds)} apart from the names of the ids)`;
  const failures =
    failed === null
      ? []
      : [
          `${failed.failure}, after ${failed.path.length} steps: ${failed.path.at(-2)}; npx bun test/prove/founding.ts`,
        ];
  return { done, bad, ok: bad === 0, text, failures };
}

if (import.meta.main) {
  await answer(import.meta.url, async () => {
    const { positionals } = parseArgs({ allowPositionals: true });
    const [seconds = "60", target = String(measure.targets.ci)] = wordsOf(positionals, 2);
    const figure = await measure.run({
      target: wholeOf("TARGET", target, 1),
      seconds: lengthOf("SECONDS", seconds),
      seed: 1,
      progress: (text) => console.error(text),
    });
    console.log(figure.text);
    for (const failure of figure.failures) console.log(failure);
    return figure.ok ? 0 : 1;
  });
}
