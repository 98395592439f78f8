/** One round of a campaign on real processes: a fresh cluster under load and trouble, then
 *  everything runs again, every node's log is read, and two checkers judge the history. Rounds are
 *  short, so that a campaign's memory, disk and checks stay small however long it goes on. */
import { cpSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Random, seededRandom } from "../../src/base/random.ts";
import type { RaftClient } from "../../src/index.ts";
import { checkHistoryText } from "../../src/sim/linearizability.ts";
import { sleep } from "../e2e/world.ts";
import { independentVerdict } from "./check-history.ts";
import { Nodes } from "./nodes.ts";
import { Recorder } from "./recorder.ts";
import { Workload, type WorkloadOptions } from "./workload.ts";

export interface RoundPlan {
  /** Names the round where it is told of: "kill, seed 12". */
  readonly title: string;
  readonly seed: number;
  readonly flags: readonly string[];
  readonly load: Omit<WorkloadOptions, "seed">;
}

/** What trouble has to work with. */
export interface Troubled {
  readonly nodes: Nodes;
  readonly recorder: Recorder;
  readonly random: Random;
}

export interface RoundReport {
  readonly violations: readonly string[];
  /** What clients were told. */
  readonly operations: number;
  readonly entriesAcknowledged: number;
  readonly unknown: number;
  readonly reads: number;
  readonly kills: number;
}

/** With a majority running again, something must be acknowledged within this time, ms. */
export const GOES_ON_MS_MAX = 60_000;
/** How long a node may take to answer a read of its whole log once everything runs again, ms. */
const FINAL_READ_MS = 60_000;
const READ_ATTEMPT_MS = 5_000;

/** Founds a cluster, loads it, lets `trouble` have its way, and judges. Never leaves a process. */
export async function runRound(
  plan: RoundPlan,
  trouble: (troubled: Troubled) => Promise<void>,
): Promise<RoundReport> {
  const nodes = await Nodes.found({ flags: plan.flags });
  try {
    const recorder = new Recorder(join(nodes.world.directory, "history.jsonl"));
    const workload = await Workload.start(nodes, recorder, { ...plan.load, seed: plan.seed });
    const troubled = { nodes, recorder, random: seededRandom(plan.seed) };
    const violations: string[] = [];
    await trouble(troubled).catch((error: unknown) => void violations.push(String(error)));
    nodes.heal();
    await workload.stop();
    violations.push(...(await readAll(nodes, recorder)));
    violations.push(...(await nodes.verify()));
    violations.push(...recorder.surprises, ...nodes.accidents, ...judge(recorder.text()));
    const kept = violations.length === 0 ? "" : ` (kept in ${keep(nodes)})`;
    return {
      violations: violations.map((violation) => `${plan.title}: ${violation}${kept}`),
      operations: recorder.operations,
      entriesAcknowledged: recorder.entriesAcknowledged,
      unknown: recorder.counts.unknown,
      reads: recorder.counts.reads,
      kills: nodes.kills,
    };
  } finally {
    await nodes.end();
  }
}

/** Throws unless something that was called after `sinceNs` is acknowledged in time: what happens to
 *  a minority stops nobody. */
export async function mustGoOn(
  { recorder }: Pick<Troubled, "recorder">,
  sinceNs: number,
  what: string,
): Promise<void> {
  const sent = await recorder.nextSend(({ callNs }) => callNs > sinceNs, GOES_ON_MS_MAX);
  if (sent === null)
    throw new Error(`nothing was acknowledged within ${GOES_ON_MS_MAX} ms of ${what}`);
}

/** Every node's whole log becomes a read of the history, the last one the final log. */
async function readAll(nodes: Nodes, recorder: Recorder): Promise<readonly string[]> {
  const client = await nodes.client();
  for (const [at, node] of nodes.ids.entries()) {
    const saw = await readWhole(client, recorder, node);
    if (saw === null)
      return [`node ${node} did not show its log within ${FINAL_READ_MS / 1_000} s of peace`];
    if (at < nodes.ids.length - 1) continue;
    for (const [position, payload] of saw.entries())
      recorder.final({ kind: "final", node, index: position + 1, payload });
  }
  return [];
}

async function readWhole(
  client: RaftClient,
  recorder: Recorder,
  node: number,
): Promise<readonly (string | null)[] | null> {
  const deadlineMs = performance.now() + FINAL_READ_MS;
  while (performance.now() < deadlineMs) {
    const request = { from: 1, node, timeoutMs: READ_ATTEMPT_MS };
    const { operation, saw } = await recorder.read(client, "last", request);
    if (operation.outcome === "ok") return saw;
    await sleep(20);
  }
  return null;
}

/** Both checkers' words; that they disagree would be worth as much. */
function judge(text: string): readonly string[] {
  const ours = checkHistoryText(text);
  const theirs = independentVerdict(text);
  if (theirs === null || ours.length > 0) return ours;
  return [`only the independent checker says: ${theirs}`];
}

/** Everything that is needed to look into it: directories, history, what the nodes printed. */
function keep(nodes: Nodes): string {
  const directory = mkdtempSync(join(tmpdir(), "raft-broken-"));
  cpSync(nodes.world.directory, directory, { recursive: true });
  writeFileSync(join(directory, "printed.txt"), nodes.printed());
  return directory;
}
