/** What a node holds in memory under what could make it grow: a follower that is dead for the whole
 *  run, clients that never wait, a reader that does not read. */
import { sleep } from "../../e2e/world.ts";
import { ClosedLoop } from "../closed-loop.ts";
import type { Cluster } from "../cluster.ts";
import { higher, lower, type Bench, type RunResult, type Scenario } from "../scenario.ts";

const OUTSTANDING = 1_000;
const FLOODERS = 20;
const FLOOD_OUTSTANDING = 5_000;
const READERS = 50;
const LOOK_MS = 100;

type Trouble = (cluster: Cluster, bench: Bench) => Promise<() => Promise<void>>;

function scenario(name: string, about: string, trouble: Trouble): Scenario {
  return {
    name,
    about: `memory of a node: ${about}`,
    main: false,
    settings: { outstanding: OUTSTANDING, flooders: FLOODERS, readers: READERS },
    run: (bench) => run(bench, trouble),
  };
}

export const memories: readonly Scenario[] = [
  scenario("memory-dead-follower", "a follower is dead under full load", async (cluster) => {
    await cluster.kill(await cluster.follower());
    return load(cluster, 1, OUTSTANDING);
  }),
  scenario("memory-flood", "20 clients with 5,000 entries outstanding each", (cluster) =>
    load(cluster, FLOODERS, FLOOD_OUTSTANDING),
  ),
  scenario("memory-slow-readers", "50 readers that take one entry and no more", async (cluster) => {
    const end = await load(cluster, 1, OUTSTANDING);
    const readers = await Promise.all(
      Array.from({ length: READERS }, async () => {
        const entries = (await cluster.connect()).follow({ from: 1 });
        await entries.next();
        return entries;
      }),
    );
    return async () => {
      await end();
      await Promise.all(readers.map((entries) => entries.return()));
    };
  }),
];

async function load(cluster: Cluster, clients: number, outstanding: number) {
  const loops: ClosedLoop[] = [];
  for (let at = 0; at < clients; at++) loops.push(new ClosedLoop(await cluster.connect(), 100));
  for (const loop of loops) loop.start(outstanding);
  return async () => {
    await Promise.all(loops.map((loop) => loop.stop()));
  };
}

async function run(bench: Bench, trouble: Trouble): Promise<RunResult> {
  const cluster = await bench.cluster();
  const end = await trouble(cluster, bench);
  const untilMs = performance.now() + bench.seconds * 1_000;
  let most = 0;
  while (performance.now() < untilMs) {
    await sleep(LOOK_MS);
    for (const { rssBytes } of cluster.use().values()) most = Math.max(most, rssBytes);
  }
  await end();
  let verified = 0;
  const client = await cluster.connect();
  for await (const { bytes } of client.log({ last: OUTSTANDING, timeoutMs: 30_000 })) {
    if (bytes.length !== 100) throw new Error("an entry is damaged");
    verified++;
  }
  const lastIndex = (await client.status()).rows[0]?.lastIndex ?? 0;
  return {
    figures: [lower("memory at most", most / 1e6, "MB"), higher("log", lastIndex, "entries")],
    verified,
  };
}
