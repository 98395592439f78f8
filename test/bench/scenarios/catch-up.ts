/** A follower that holds next to nothing catches up over a long log while clients load the
 *  leader. */
import { until } from "../../e2e/world.ts";
import type { LoadFigures } from "../../../src/bench/load.ts";
import { ENTRY_BYTES, Fill } from "../fill.ts";
import { LibraryLoad } from "../library-load.ts";
import { higher, lower, type Bench, type RunResult, type Scenario } from "../scenario.ts";

const ENTRIES = 10_000_000;
const OUTSTANDING = 64;
const CATCH_UP_MAX_MS = 300_000;
const LOOK_MS = 20;
const WARM_UP_SECONDS = 0.5;

function scenario(name: string, about: string, mtuBytes: number | null): Scenario {
  return {
    name,
    about,
    main: false,
    settings: { entries: ENTRIES, size: ENTRY_BYTES, outstanding: OUTSTANDING, mtu: mtuBytes ?? 0 },
    run: (bench) => run(bench, mtuBytes === null ? [] : ["--mtu", String(mtuBytes)]),
  };
}

export const catchUps: readonly Scenario[] = [
  scenario("catch-up", "an empty follower over 1 GB of log, 64 outstanding beside it", null),
  scenario("catch-up-1200", "the same with datagrams of 1,200 bytes", 1_200),
];

async function run(bench: Bench, args: readonly string[]): Promise<RunResult> {
  const cluster = await bench.cluster({ args });
  const id = await cluster.follower();
  await cluster.end(id);
  const client = await cluster.connect();
  const fill = new Fill(client);
  await fill.add(ENTRIES);
  bench.say(`${fill.entries.toLocaleString("en")} entries are there`);
  const indexOf = async (node: number): Promise<number> => {
    const { rows } = await client.status();
    return rows.find((row) => row.id === node)?.lastIndex ?? 0;
  };
  const leader = await cluster.leader();
  const load = new LibraryLoad(await cluster.connect(), ENTRY_BYTES);
  const before = await load.run(OUTSTANDING, bench.seconds, WARM_UP_SECONDS);
  const end = load.start(OUTSTANDING);
  const target = await indexOf(leader);
  const startedMs = performance.now();
  cluster.restart(id);
  const caughtUp = async () => (await indexOf(id)) >= target;
  await until("the follower catches up", caughtUp, CATCH_UP_MAX_MS, LOOK_MS);
  const seconds = (performance.now() - startedMs) / 1_000;
  const during = await end();
  const megabytes = (fill.entries * ENTRY_BYTES) / 1e6;
  return {
    figures: figures(megabytes / seconds, before, during),
    verified: await load.verify(fill.lastIndex + 1),
    sampled: await fill.verify(),
  };
}

function figures(megabytesPerSecond: number, before: LoadFigures, during: LoadFigures) {
  return [
    higher("caught up", megabytesPerSecond, "MB/s"),
    higher("kept", (100 * during.entriesPerSecond) / before.entriesPerSecond, "%"),
    higher("entries before", before.entriesPerSecond, "/s"),
    lower("p50 before", before.p50Us / 1_000, "ms"),
    lower("p99 before", before.p99Us / 1_000, "ms"),
    lower("p50 during", during.p50Us / 1_000, "ms"),
    lower("p99 during", during.p99Us / 1_000, "ms"),
  ];
}
