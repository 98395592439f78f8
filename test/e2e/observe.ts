/** What a test reads of a running cluster: its status, its leader, the log of each node; and
 *  clients of it in this process, through the public library. */
import { expect, onTestFinished } from "vitest";
import { type ClientOptions, openKey, RaftClient } from "../../src/index.ts";
import { until, type World } from "./harness.ts";

export { freePort } from "./world.ts";

/** One line of `raft log --json`. */
export interface LoggedEntry {
  index: number;
  term: number;
  timeMs: number;
  entry?: string;
  base64?: string;
  kind?: string;
}

/** `raft status --json`, as far as tests look at it. */
export interface StatusJson {
  cluster: string;
  leader: number | null;
  term: number;
  healthy: boolean;
  voters: number;
  reachableVoters: number;
  canLose: number;
  founded: boolean;
  nodes: {
    id: number;
    member: string;
    role: string;
    commitIndex: number | null;
    lastContactMs: number | null;
    address: string;
  }[];
}

export interface LeaderJson {
  id: number;
  address: string;
  term: number;
}

/** A client of the world's cluster in this process; it ends with the current test. */
export async function clientOf(
  world: World,
  options: Partial<ClientOptions> = {},
): Promise<RaftClient> {
  const client = await RaftClient.connect({
    key: openKey(world.cluster),
    loopbackOnly: true,
    ...options,
  });
  onTestFinished(() => client.close());
  return client;
}

export async function statusOf(world: World): Promise<StatusJson> {
  return JSON.parse(await world.must(["status", "--json"])) as StatusJson;
}

/** The leader, waited for. */
export async function leaderOf(world: World): Promise<LeaderJson> {
  const text = await world.must(["leader", "--wait", "--timeout", "20s", "--json"]);
  return JSON.parse(text) as LeaderJson;
}

export function parseLog(text: string): LoggedEntry[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as LoggedEntry);
}

/** What node `id` itself has committed, no-ops and configurations too. */
export async function logOf(world: World, id: number): Promise<LoggedEntry[]> {
  const args = ["log", "--node", String(id), "--stale", "--all", "--json", "--timeout", "10s"];
  return parseLog(await world.must(args));
}

/** The logs of the nodes once each has committed `index`; they must be equal from the first entry
 *  to the last. */
export async function equalLogs(
  world: World,
  ids: readonly number[],
  index: number,
): Promise<LoggedEntry[]> {
  await until(`nodes ${ids.join(", ")} have committed ${index}`, async () => {
    const { nodes } = await statusOf(world);
    const committed = new Map(nodes.map((node) => [node.id, node.commitIndex ?? 0]));
    return ids.every((id) => (committed.get(id) ?? 0) >= index);
  });
  const logs: LoggedEntry[][] = [];
  for (const id of ids) logs.push(await logOf(world, id));
  const shortest = Math.min(...logs.map((log) => log.length));
  const [first = []] = logs;
  for (const [at, log] of logs.entries()) {
    const differs = log
      .slice(0, shortest)
      .findIndex((entry, place) => JSON.stringify(entry) !== JSON.stringify(first[place]));
    if (differs < 0) continue;
    expect(log[differs], `nodes ${ids[0]} and ${ids[at]} differ`).toEqual(first[differs]);
  }
  const longest = logs.toSorted((a, b) => b.length - a.length)[0] ?? [];
  for (const [at, entry] of longest.entries()) expect(entry.index).toBe(at + 1);
  return longest;
}
