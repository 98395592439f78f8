/** What a node holds in memory under what could make it grow: a follower that is dead for the whole
 *  run, clients that never wait, a reader that does not read. */
import { sleep } from "../../e2e/world.ts";
import type { Cluster } from "../cluster.ts";
import { LibraryLoad } from "../library-load.ts";
import { higher, lower, type Bench, type RunResult, type Scenario } from "../scenario.ts";

const OUTSTANDING = 1_000;
const FLOODERS = 20;
const FLOOD_OUTSTANDING = 5_000;
const READERS = 50;
const ENTRY_BYTES = 100;
const LOOK_MS = 100;

/** A load that goes on beside the trouble, and what ends both. */
interface Going {
  readonly load: LibraryLoad;
  readonly end: () => Promise<unknown>;
}

type Trouble = (cluster: Cluster) => Promise<Going>;

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
    return loaded(cluster, 1, OUTSTANDING);
  }),
  scenario("memory-flood", "20 clients with 5,000 entries outstanding each", (cluster) =>
    loaded(cluster, FLOODERS, FLOOD_OUTSTANDING),
  ),
  scenario("memory-slow-readers", "50 readers that take one entry and no more", async (cluster) => {
    const { load, end } = await loaded(cluster, 1, OUTSTANDING);
    const readers = await Promise.all(
      Array.from({ length: READERS }, async () => {
        const entries = (await cluster.connect()).follow({ from: 1 });
        await entries.next();
        return entries;
      }),
    );
    const endAll = async (): Promise<void> => {
      await end();
      await Promise.all(readers.map((entries) => entries.return()));
    };
    return { load, end: endAll };
  }),
];

/** `outstanding` entries under way from each of so many clients. */
async function loaded(cluster: Cluster, clients: number, outstanding: number): Promise<Going> {
  const first = await cluster.connect();
  const others = Array.from({ length: clients - 1 }, () => cluster.connect());
  const load = new LibraryLoad([first, ...(await Promise.all(others))], ENTRY_BYTES);
  return { load, end: load.start(clients * outstanding) };
}

async function run(bench: Bench, trouble: Trouble): Promise<RunResult> {
  const cluster = await bench.cluster();
  const { load, end } = await trouble(cluster);
  const untilMs = performance.now() + bench.seconds * 1_000;
  let most = 0;
  while (performance.now() < untilMs) {
    await sleep(LOOK_MS);
    for (const { rssBytes } of cluster.use().values()) most = Math.max(most, rssBytes);
  }
  await end();
  return {
    figures: [lower("memory at most", most / 1e6, "MB"), higher("log", load.count, "entries")],
    verified: await load.verify(),
  };
}
