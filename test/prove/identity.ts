/** Measure: who may speak for a member, on real processes: disks that come back empty, ids that are
 *  claimed twice, another cluster of the same name, founders that are started at once or wiped in
 *  the middle of it. Needs no root. */
import { seededRandom } from "../../src/base/random.ts";
import { MISHAPS } from "./identity-mishaps.ts";
import type { Budget, Figure, Measure } from "./measure.ts";

/** Worlds at once. */
const LANES = 3;
const KINDS = Object.keys(MISHAPS);

export const measure: Measure = {
  name: "identity",
  title:
    "wiped disk, doubled id, foreign cluster, all started at once, a founder wiped in mid-founding",
  unit: "mishaps",
  targets: { ci: 10 * KINDS.length, hour: 200 * KINDS.length },
  demand: "no split, nothing acknowledged lost, each refused with what to do",
  weight: 8,
  unavailable: () => null,
  run,
};

async function run(budget: Budget): Promise<Figure> {
  const endMs = performance.now() + budget.seconds * 1_000;
  const done = new Map<string, number>();
  const failures: string[] = [];
  let begun = 0;
  const lane = async (): Promise<void> => {
    while (begun < budget.target && (begun === 0 || performance.now() < endMs)) {
      const seed = budget.seed + begun++;
      const kind = KINDS[seed % KINDS.length] ?? "";
      try {
        await MISHAPS[kind]?.(seededRandom(seed));
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        failures.push(
          `${kind}, seed ${seed} (npm run prove -- --only identity --seed ${seed}): ${why}`,
        );
      }
      done.set(kind, (done.get(kind) ?? 0) + 1);
      budget.progress(`${begun} mishaps, ${failures.length} broken`);
    }
  };
  await Promise.all(Array.from({ length: Math.min(LANES, budget.target) }, lane));
  const count = [...done.values()].reduce((sum, each) => sum + each, 0);
  const each = KINDS.map((kind) => `${kind} ${done.get(kind) ?? 0}`).join(", ");
  return {
    done: count,
    bad: failures.length,
    text: `${failures.length} of ${count} (${each})`,
    ok: failures.length === 0 && count > 0,
    failures,
  };
}
