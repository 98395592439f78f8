/** What `raft bench` prints: the load, the figures, what was verified. Pure. */

import type { LoadFigures } from "../bench/load.ts";
import type { Verdict } from "../bench/written.ts";
import { DEFAULT_TIMINGS } from "../node/types.ts";
import { renderTable, type Column } from "./table.ts";
import type { Paint } from "./terminal.ts";
import { entriesText } from "./wording.ts";

/** What was asked for. */
export interface BenchWish {
  /** Entries under way; null with a rate. */
  readonly outstanding: number | null;
  /** Entries a second; null in a closed loop. */
  readonly rate: number | null;
  /** Bytes of an entry. */
  readonly size: number;
  readonly seconds: number;
  readonly clients: number;
}

export interface BenchResult {
  readonly cluster: string;
  readonly figures: LoadFigures;
  /** null: the log could not be read back. */
  readonly verdict: Verdict | null;
  /** Entries that were acknowledged, the warm-up's too. */
  readonly acknowledged: number;
  /** Where they lie; null when there are none. */
  readonly span: { readonly firstIndex: number; readonly lastIndex: number } | null;
}

const MEGABYTE = 1_000_000;
/** Less than this part of the asked rate is told. */
const KEPT_UP_PART = 0.99;
/** Pauses are told from here on: the shortest election timeout. */
const PAUSE_TOLD_MS = DEFAULT_TIMINGS.electionMinMs;

const COLUMNS: readonly Column<LoadFigures>[] = [
  column("ENTRIES/S", (figures) => String(Math.round(figures.entriesPerSecond))),
  column("MB/S", (figures) => megabytes(figures.bytesPerSecond)),
  column("P50", (figures) => latencyText(figures.p50Us)),
  column("P90", (figures) => latencyText(figures.p90Us)),
  column("P99", (figures) => latencyText(figures.p99Us)),
  column("P99.9", (figures) => latencyText(figures.p999Us)),
  column("MAX", (figures) => latencyText(figures.maxUs)),
];

/** A sentence on the load, the table, and what became of the entries. */
export function renderBench(wish: BenchWish, result: BenchResult, paint: Paint): string {
  const { figures } = result;
  if (figures.timed === 0)
    return [loadText(wish, result), "", ...fateLines(wish, result)].join("\n");
  return [
    loadText(wish, result),
    "",
    renderTable(COLUMNS, [figures], paint),
    "",
    ...behindLines(wish, figures),
    ...pauseLines(figures),
    ...fateLines(wish, result),
  ].join("\n");
}

/** One object for programs. Latencies in microseconds. */
export function benchJson(
  wish: BenchWish,
  result: BenchResult,
  interrupted: boolean,
): Record<string, unknown> {
  const { figures, verdict, acknowledged, span, cluster } = result;
  const measured = (value: number): number | null => (figures.timed === 0 ? null : value);
  return {
    entriesPerSecond: Math.round(figures.entriesPerSecond),
    bytesPerSecond: Math.round(figures.bytesPerSecond),
    p50Us: measured(figures.p50Us),
    p90Us: measured(figures.p90Us),
    p99Us: measured(figures.p99Us),
    p999Us: measured(figures.p999Us),
    maxUs: measured(figures.maxUs),
    leaderMoves: figures.leaderMoves,
    longestPauseUs: measured(Math.round(figures.longestPauseMs * 1_000)),
    longestPauseAtSeconds: measured(Math.round(figures.longestPauseAtMs) / 1_000),
    verified: verdict?.problemCount === 0 && verdict.verified === acknowledged,
    cluster,
    clients: wish.clients,
    size: wish.size,
    ...(wish.rate === null ? { outstanding: wish.outstanding } : { rate: wish.rate }),
    seconds: figures.seconds,
    entries: figures.entries,
    acknowledged,
    firstIndex: span?.firstIndex ?? null,
    lastIndex: span?.lastIndex ?? null,
    ...(wish.rate === null ? {} : { unsent: figures.unsent, lateP50Us: figures.lateP50Us }),
    interrupted,
  };
}

function column(title: string, cell: (figures: LoadFigures) => string): Column<LoadFigures> {
  return { title, align: "right", cell };
}

function loadText(wish: BenchWish, result: BenchResult): string {
  const { outstanding, rate, size, clients } = wish;
  const { cluster, figures } = result;
  const from = `from ${clients === 1 ? "1 client" : `${clients} clients`}`;
  const what =
    rate === null
      ? `${entriesText(outstanding ?? 0)} of ${size} bytes under way ${from}`
      : `${entriesText(rate)} of ${size} bytes a second ${from}`;
  const cutShort = figures.seconds < wish.seconds ? ` of ${wish.seconds} s` : "";
  const how =
    figures.timed === 0 ? "nothing was measured" : `${figures.seconds.toFixed(1)} s${cutShort}`;
  return `cluster ${cluster}: ${what}, ${how}`;
}

/** An open loop that the cluster, or this machine, could not follow. */
function behindLines({ rate }: BenchWish, figures: LoadFigures): readonly string[] {
  if (rate === null) return [];
  const asked = rate * figures.seconds;
  const unsent = figures.unsent === 0 ? "" : `, ${figures.unsent} were due and never sent`;
  return [
    "latencies are from the moment at which an entry was due",
    ...(figures.entries < asked * KEPT_UP_PART
      ? [`${Math.round((figures.entries / asked) * 100)}% of the rate was reached${unsent}`]
      : []),
  ];
}

/** A change of leaders, and what else kept every receipt waiting for long. */
function pauseLines(figures: LoadFigures): readonly string[] {
  const { leaderMoves, longestPauseMs, longestPauseAtMs } = figures;
  if (leaderMoves === 0 && longestPauseMs < PAUSE_TOLD_MS) return [];
  const times = leaderMoves === 1 ? "once" : `${leaderMoves} times`;
  const moved = leaderMoves === 0 ? "" : `leadership moved ${times}; `;
  const at = (longestPauseAtMs / 1_000).toFixed(1);
  return [
    `${moved}the longest time without a receipt was ${latencyText(longestPauseMs * 1_000)}, ${at} s after the measuring began`,
  ];
}

function fateLines({ size }: BenchWish, result: BenchResult): readonly string[] {
  const { verdict, acknowledged, span } = result;
  if (span === null) return ["nothing was acknowledged"];
  const where = `${span.firstIndex} to ${span.lastIndex}`;
  const stays = `they stay there, ${megabytes(acknowledged * size)} MB on each node`;
  if (verdict === null)
    return [
      `NOT verified, the log could not be read back: ${entriesText(acknowledged)} acknowledged at ${where};`,
      stays,
    ];
  return verdict.problemCount === 0
    ? [
        `verified: all ${entriesText(acknowledged)} that were acknowledged are in the log, each once, at ${where};`,
        stays,
      ]
    : [`in the log, at ${where}: ${entriesText(verdict.verified)}; ${stays}`];
}

/** "0.52ms", "12.3ms", "1.90s" */
function latencyText(us: number): string {
  if (us < 10_000) return `${(us / 1_000).toFixed(2)}ms`;
  if (us < 1_000_000) return `${(us / 1_000).toFixed(1)}ms`;
  return `${(us / 1_000_000).toFixed(2)}s`;
}

function megabytes(bytes: number): string {
  const value = bytes / MEGABYTE;
  return value < 10
    ? value.toFixed(2)
    : value < 1_000
      ? value.toFixed(1)
      : String(Math.round(value));
}
