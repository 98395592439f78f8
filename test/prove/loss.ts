/** Measure: how much throughput is left when the network between the nodes loses 10 and 30 of 100
 *  datagrams in each direction, doubles some and lets some overtake others.
 *
 *  Three nodes on this machine, datagrams of 1,200 bytes, every link through the relay, without and
 *  with faults in turn, so that only neighbours in time are compared; the median of their ratios is
 *  the figure. The way from the client to the nodes is clean: what is measured is replication. */
import { LibraryLoad } from "../bench/library-load.ts";
import { median } from "../quantile.ts";
import type { Budget, Figure, Measure } from "./measure.ts";
import { type LinkFaults, type RelayCounters } from "./relay.ts";
import { RelayedCluster } from "./relayed.ts";

const OUTSTANDING = [64, 1_000] as const;
const ENTRY_BYTES = 100;
const NODES = 3;
/** Seconds of one level; a budget for one round only gets through with shorter ones. */
const LEVEL_S_MAX = 2.5;
const LEVEL_S_MIN = 0.4;
const LEVELS_PER_BUDGET = 12;
/** Rounds in one cluster: then its disks are given back. */
const ROUNDS_PER_CLUSTER = 3;
/** What is kept, in parts of the throughput without faults. */
const KEPT_AT_10 = 0.6;
const KEPT_AT_30 = { ci: 0.2, hour: 0.3 } as const;
const CI_ROUNDS = 2;
const HOUR_ROUNDS = 9;

/** Loss in per cent; a copy of 3 in 100 comes 5 ms later, 5 in 100 are overtaken for up to 4 ms. */
export function lossy(lossPercent: number): Partial<LinkFaults> {
  return {
    lossPercent,
    duplicatePercent: 3,
    duplicateAfterMs: 5,
    reorderPercent: 5,
    reorderMs: 4,
  };
}

interface Round {
  readonly outstanding: number;
  readonly perSecond: { readonly clean: number; readonly at10: number; readonly at30: number };
  /** Terms that began at 10% and at 30%. */
  readonly terms: { readonly at10: number; readonly at30: number };
}

export const measure: Measure = {
  name: "loss",
  title: "throughput kept at 10% and at 30% loss with duplication and reordering",
  unit: "rounds of two loads",
  targets: { ci: CI_ROUNDS, hour: HOUR_ROUNDS },
  demand: "60% and 30% (CI: 20%) of what it is without faults, no leader change at 10%",
  weight: 5,
  unavailable: () => null,
  run,
};

async function run(budget: Budget): Promise<Figure> {
  const endMs = performance.now() + budget.seconds * 1_000;
  const rounds: Round[] = [];
  const failures: string[] = [];
  const levelS = Math.min(LEVEL_S_MAX, Math.max(LEVEL_S_MIN, budget.seconds / LEVELS_PER_BUDGET));
  let done = 0;
  while (done < budget.target && (done === 0 || performance.now() < endMs)) {
    const cluster = await RelayedCluster.start(NODES, budget.seed + done);
    try {
      const load = new LibraryLoad(cluster.client, ENTRY_BYTES);
      for (let at = 0; at < ROUNDS_PER_CLUSTER && done < budget.target; at++) {
        for (const outstanding of OUTSTANDING) {
          const round = await measureRound(cluster, load, outstanding, levelS);
          rounds.push(round);
          budget.progress(
            `${outstanding} outstanding: ${JSON.stringify(round.perSecond)} entries/s`,
          );
        }
        done += 1;
        if (performance.now() >= endMs) break;
      }
      await load.verify();
    } catch (error) {
      failures.push(`seed ${budget.seed + done}: ${String(error)}`);
      break;
    } finally {
      await cluster.end();
    }
  }
  return judge(rounds, done, failures, budget.target >= HOUR_ROUNDS);
}

async function measureRound(
  cluster: RelayedCluster,
  load: LibraryLoad,
  outstanding: number,
  levelS: number,
): Promise<Round> {
  const run = async (lossPercent: number) => {
    const { relay } = cluster;
    await relay.set(relay.links(), lossPercent === 0 ? {} : lossy(lossPercent));
    const before = { ...(await cluster.leader()), counters: await relay.counters() };
    const { entriesPerSecond } = await load.run(outstanding, levelS);
    const counters = await relay.counters();
    expectFaults(before.counters, counters, lossPercent);
    await relay.set(relay.links(), {});
    return { entriesPerSecond, terms: (await cluster.leader()).term - before.term };
  };
  const clean = await run(0);
  const at10 = await run(10);
  const at30 = await run(30);
  return {
    outstanding,
    perSecond: {
      clean: clean.entriesPerSecond,
      at10: at10.entriesPerSecond,
      at30: at30.entriesPerSecond,
    },
    terms: { at10: at10.terms, at30: at30.terms },
  };
}

/** The figure is worth nothing unless the nodes' datagrams really went through the relay. */
function expectFaults(before: RelayCounters, after: RelayCounters, lossPercent: number): void {
  const taken = after.taken - before.taken;
  const lostPercent = ((after.lost - before.lost) / taken) * 100;
  if (taken < 40 || Math.abs(lostPercent - lossPercent) > 10 + lossPercent / 4)
    throw new Error(`the relay took ${taken} datagrams and lost ${lostPercent.toFixed(1)}%`);
}

function judge(
  rounds: readonly Round[],
  done: number,
  broken: readonly string[],
  isHour: boolean,
): Figure {
  const failures = [...broken];
  const texts: string[] = [];
  const least30 = isHour ? KEPT_AT_30.hour : KEPT_AT_30.ci;
  for (const outstanding of OUTSTANDING) {
    const own = rounds.filter((round) => round.outstanding === outstanding);
    if (own.length === 0) continue;
    const at10 = median(own.map(({ perSecond }) => perSecond.at10 / perSecond.clean));
    const at30 = median(own.map(({ perSecond }) => perSecond.at30 / perSecond.clean));
    const clean = Math.round(median(own.map(({ perSecond }) => perSecond.clean)));
    texts.push(
      `${outstanding} outstanding: ${percent(at10)} / ${percent(at30)} of ${clean.toLocaleString("en")}/s`,
    );
    if (at10 < KEPT_AT_10)
      failures.push(`${outstanding} outstanding: ${percent(at10)} kept at 10% loss`);
    if (at30 < least30)
      failures.push(`${outstanding} outstanding: ${percent(at30)} kept at 30% loss`);
  }
  const changes10 = rounds.reduce((sum, { terms }) => sum + terms.at10, 0);
  const changes30 = rounds.reduce((sum, { terms }) => sum + terms.at30, 0);
  if (changes10 > 0) failures.push(`${changes10} leader changes at 10% loss`);
  texts.push(`leader changes ${changes10} / ${changes30}`);
  const replay = "npm run prove -- --only loss";
  return {
    done,
    bad: broken.length,
    fallsShort: broken.length === 0 && failures.length > 0,
    text: texts.join("; "),
    ok: failures.length === 0 && done > 0,
    failures: failures.map((failure) => `${failure} (${replay})`),
  };
}

function percent(part: number): string {
  return `${Math.round(part * 100)}%`;
}
