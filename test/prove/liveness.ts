/** After faults a random quorum is healed and the rest stays dead or cut one way: it elects, takes
 *  entries, and its logs become equal. */

import type { Budget, Figure, Measure } from "./measure.ts";
import { swarm } from "./swarm-process.ts";

/** Faults strike for so many election timeouts before the healing, and so many times as often as
 *  usual: a cluster that nothing has hurt is not counted. */
const FAULTS_ELECTIONS = 12;
const STRIKES = 6;

export const measure: Measure = {
  name: "liveness",
  title: "liveness after healing a random quorum",
  unit: "seeds",
  targets: { ci: 200, hour: 10_000 },
  demand: "all: a leader within ten election timeouts, sends succeed, logs equal",
  weight: 16,
  unavailable: () => null,
  run,
};

async function run({ target, seconds, seed, progress }: Budget): Promise<Figure> {
  const total = await swarm(
    seed,
    seconds,
    ["--elections", String(FAULTS_ELECTIONS), "--strikes", String(STRIKES)],
    ({ healed }) => healed >= target,
    ({ healed, livenessOk }) => progress(`${livenessOk} of ${healed} went on`),
  );
  const { seeds, healed: done, livenessOk, slowestElection, strikes, faults, failures } = total;
  const bad = done - livenessOk;
  const text =
    `${livenessOk} of ${done} went on, the slowest with a leader after ` +
    `${slowestElection.toFixed(1)} election timeouts; ${seeds} seeds in all, ` +
    `${strikes.toLocaleString("en")} strikes of nemeses, ` +
    `${faults.toLocaleString("en")} faults of single datagrams and syncs; ` +
    `${failures.length} with a violation of any kind`;
  return { done, bad, ok: failures.length === 0, text, failures };
}
