/** All nodes start again over ten million entries: how long until one more is taken, and what the
 *  nodes hold in memory. */
import { Fill } from "../fill.ts";
import { lower, type Bench, type RunResult, type Scenario } from "../scenario.ts";

const ENTRIES = 10_000_000;
const FIRST_ENTRY_MAX_MS = 60_000;
const MEGABYTE = 1e6;

export const restarts: readonly Scenario[] = [
  {
    name: "restart",
    about: "three nodes over 10,000,000 entries: from their start to the first entry taken",
    main: false,
    settings: { entries: ENTRIES, nodes: 3 },
    run,
  },
];

async function run(bench: Bench): Promise<RunResult> {
  const cluster = await bench.cluster();
  const fill = new Fill(await cluster.connect());
  await fill.add(ENTRIES);
  const filled = [...cluster.use().values()];
  const ordered = await restart(async () => {
    await Promise.all(cluster.ids.map((id) => cluster.end(id)));
  });
  const killed = await restart(async () => {
    await Promise.all(cluster.ids.map((id) => cluster.kill(id)));
  });
  const sampled = await fill.verify(await cluster.connect());
  const most = (values: readonly number[]) => Math.max(...values) / MEGABYTE;
  return {
    figures: [
      lower("after a stop", ordered, "ms"),
      lower("after kill -9", killed, "ms"),
      lower("memory", most(filled.map(({ rssBytes }) => rssBytes)), "MB"),
      lower("memory at most", most(filled.map(({ rssPeakBytes }) => rssPeakBytes)), "MB"),
      lower("memory restarted", most([...cluster.use().values()].map((one) => one.rssBytes)), "MB"),
    ],
    verified: 0,
    sampled,
  };

  /** From the start of the processes to the receipt, ms. The client is new as well. */
  async function restart(end: () => Promise<void>): Promise<number> {
    await end();
    const client = await cluster.connect();
    const startedMs = performance.now();
    for (const id of cluster.ids) cluster.restart(id);
    await client.send("again", { timeoutMs: FIRST_ENTRY_MAX_MS });
    return performance.now() - startedMs;
  }
}
