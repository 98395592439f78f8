/** `raft status`: one row per configured member, always; then strangers; then the verdict; then,
 *  for each missing member, the command that brings it back and where. At most 100 columns.
 *  Pure. */

import { addressText, isLoopback } from "../base/hosts.ts";
import type { NodeId, WallMs } from "../base/types.ts";
import { majorityOf } from "../raft/membership.ts";
import type { ClusterStatus, StatusRow } from "../client/types.ts";
import { LOCAL_CLUSTER } from "./cluster-choice.ts";
import type { ExitCode } from "./exit-codes.ts";
import type { Hints } from "./hints.ts";
import { renderTable, type Column } from "./table.ts";
import { plain, type Paint } from "./terminal.ts";
import {
  entriesText,
  momentOf,
  nodesText,
  roughSpanText,
  spanText,
  numberWord,
} from "./wording.ts";

/** The five things that can be said of a cluster; the fifth is that nobody answers (errors.ts). */
export type Verdict = "healthy" | "degraded" | "no leader" | "not founded";

/** What to say of a cluster in one word. */
export function verdictOf(status: ClusterStatus): Verdict {
  if (!status.founded) return "not founded";
  if (status.leader === null || !hasQuorum(status)) return "no leader";
  return status.healthy ? "healthy" : "degraded";
}

/** A leader that is left alone needs a moment to find out; whoever asks can tell at once. */
function hasQuorum(status: ClusterStatus): boolean {
  return votersThere(status).length >= majorityOf(status.voters);
}

/** The voters that answer, or that the leader heard just now. */
export function votersThere({ rows, aliveMs }: ClusterStatus): readonly StatusRow[] {
  return rows.filter(
    ({ member, role, stopped, lastContactMs }) =>
      member === "voter" &&
      (role !== "unreachable" || (!stopped && (lastContactMs ?? Infinity) < aliveMs)),
  );
}

/** What `status --check` exits with. */
export function checkExitCode(status: ClusterStatus): ExitCode {
  const codes = { healthy: 0, degraded: 6, "no leader": 4, "not founded": 4 } as const;
  return codes[verdictOf(status)];
}

/** The whole screen, without a final newline. */
export function renderStatus(
  status: ClusterStatus,
  hints: Hints,
  nowMs: WallMs,
  paint: Paint = plain,
): string {
  const rows = sortedRows(status);
  const local = localHints(status, hints);
  const verdict = verdictLine(status, local, paint);
  return [
    renderTable(COLUMNS, rows, paint),
    "",
    verdict,
    ...adviceLines(status, rows, local, nowMs),
  ].join("\n");
}

const COLUMNS: readonly Column<StatusRow>[] = [
  { title: "ID", align: "right", cell: (row) => String(row.id) },
  { title: "ROLE", align: "left", cell: (row) => roleText(row), colour: (row) => roleColour(row) },
  { title: "TERM", align: "right", cell: (row) => dash(row.term) },
  { title: "LAST", align: "right", cell: (row) => dash(row.lastIndex) },
  { title: "COMMIT", align: "right", cell: (row) => dash(row.commitIndex) },
  { title: "LAG", align: "right", cell: (row) => dash(row.lag) },
  {
    title: "CONTACT",
    align: "right",
    cell: (row) => (row.lastContactMs === null ? "-" : spanText(row.lastContactMs)),
  },
  { title: "RTT", align: "right", cell: (row) => milliseconds(row.rttMs) },
  { title: "FSYNC", align: "right", cell: (row) => milliseconds(row.fsyncMs) },
  {
    title: "ADDRESS",
    align: "left",
    cell: (row) => (row.address === null ? "-" : addressText(row.address)),
  },
  { title: "HOST", align: "left", cell: (row) => row.host ?? "-" },
];

function sortedRows(status: ClusterStatus): readonly StatusRow[] {
  return status.rows.toSorted(
    (a, b) => Number(isStranger(a, status)) - Number(isStranger(b, status)) || a.id - b.id,
  );
}

/** Before founding nobody is a member, and every founder has its row. */
function isStranger(row: StatusRow, status: ClusterStatus): boolean {
  return status.founded && row.member === "none";
}

function roleText(row: StatusRow): string {
  if (row.stopped) return "stopped";
  return row.member === "learner" && row.role === "follower" ? "learner" : row.role;
}

function roleColour(row: StatusRow): "green" | "red" | "yellow" | null {
  if (row.role === "leader") return "green";
  if (row.role === "unreachable") return "red";
  return row.role === "follower" ? null : "yellow";
}

function dash(value: number | null): string {
  return value === null ? "-" : String(value);
}

/** "0.3ms", "12ms", "1.2s" */
function milliseconds(spanMs: number | null): string {
  if (spanMs === null) return "-";
  if (spanMs < 9.95) return `${spanMs.toFixed(1)}ms`;
  return spanMs < 1_000 ? `${Math.round(spanMs)}ms` : `${(spanMs / 1_000).toFixed(1)}s`;
}

/** The nodes of `up --local` were started together and are started together again. They are known
 *  by the name that such a cluster has unless another was typed; then each is started by itself,
 *  which works too. */
export function localHints(status: ClusterStatus, hints: Hints): Hints {
  const addresses = status.rows.flatMap((row) => (row.address === null ? [] : [row.address.host]));
  const isLocal =
    status.cluster === LOCAL_CLUSTER && addresses.length > 0 && addresses.every(isLoopback);
  const founders = status.reports[0]?.founders ?? [];
  const together = founders.length > 0 && founders.every((id, at) => id === at + 1);
  const areElsewhere = status.rows.some(({ dataDir }) => dataDir !== null);
  if (!isLocal || !together) return hints.withPlaces({ areElsewhere });
  const directories = new Set(status.rows.flatMap(({ id, dataDir }) => parentOf(id, dataDir)));
  const [localDirectory = null] = directories;
  return hints.forLocal(founders.length).withPlaces({ localDirectory });
}

/** The directory that `--local` keeps the nodes DIR/1, DIR/2, ... in. */
function parentOf(id: NodeId, dataDir: string | null): readonly string[] {
  const match = /^(.+)[/\\](\d+)$/.exec(dataDir ?? "");
  return match !== null && match[2] === String(id) ? [match[1] ?? ""] : [];
}

function verdictLine(status: ClusterStatus, hints: Hints, paint: Paint): string {
  const verdict = verdictOf(status);
  const cluster = `cluster ${status.cluster} (${status.auth})`;
  const voters = `${status.reachableVoters} of ${status.voters} voters`;
  const since = status.leaderSinceMs === null ? "" : ` for ${roughSpanText(status.leaderSinceMs)}`;
  const lose = `can lose ${status.canLose <= 0 ? "none" : status.canLose}`;
  switch (verdict) {
    case "healthy":
      return `${paint("green", "healthy:")} ${cluster}, ${voters}, leader ${status.leader}${since}, ${lose}`;
    case "degraded":
      return `${paint("yellow", "degraded:")} ${cluster}, ${voters}, leader ${status.leader}${since}, ${lose}`;
    case "no leader": {
      const majority = majorityOf(status.voters);
      const why =
        status.reachableVoters < majority ? `${majority} are needed` : "an election is under way";
      const rest =
        status.lost.length > 0
          ? `the data of ${nodesText(status.lost)} is gone`
          : "nothing acknowledged is lost, nothing can be added";
      const head = status.leader === null ? "no leader:" : "no quorum:";
      return `${paint("red", head)} ${cluster}, ${voters}, ${why}; ${rest}`;
    }
    case "not founded": {
      const head = `${paint("yellow", "not founded:")} ${cluster}`;
      if (status.disagreement !== null)
        return `${head}: ${status.disagreement}. Stop one side with Ctrl-C and start it as the other`;
      const first = status.waitingFor[0];
      if (first === undefined) return `${head} has met all its founders and is about to be founded`;
      const place = hints.local === null ? " on another machine, or in another terminal" : "";
      return `${head} waits for ${nodesText(status.waitingFor)}: ${hints.up(first)}${place}`;
    }
  }
}

function adviceLines(
  status: ClusterStatus,
  rows: readonly StatusRow[],
  hints: Hints,
  nowMs: WallMs,
): readonly string[] {
  if (!status.founded) return outsideLines(status, rows, hints);
  const lines = lostLines(status, hints);
  const strangers = new Set(rows.filter(({ member }) => member === "none").map(({ id }) => id));
  for (const row of rows) {
    if (row.role === "unreachable" && row.member !== "none") {
      // Whoever waits under its id says what to do.
      if (!strangers.has(row.id)) lines.push(missingLine(row, hints, nowMs));
    } else if (status.lost.includes(row.id)) continue;
    else if (row.member === "none") lines.push(strangerLine(row, rows, hints));
    else if (row.mute !== null) lines.push(...muteLines(row, row.mute, hints));
  }
  const shared = rows.filter((row) => row.networkDisk).map((row) => row.id);
  if (shared.length > 1) {
    lines.push(
      `  ${nodesText(shared)} keep their data on network disks: if those are one server, ${numberWord(shared.length)} nodes fail with it`,
    );
  }
  return lines;
}

/** Before founding: whoever is no founder waits longer. */
function outsideLines(
  status: ClusterStatus,
  rows: readonly StatusRow[],
  hints: Hints,
): readonly string[] {
  if (status.disagreement !== null) return [];
  return rows
    .filter(({ role }) => role === "outside")
    .map(
      ({ id }) =>
        `  node ${id} is no founder and waits outside; when the others have founded it: ${hints.command(`members add ${id}`)}`,
    );
}

/** Too few voters still have their data: what would help, and how to save the rest. */
function lostLines({ lost, voters, rows }: ClusterStatus, hints: Hints): string[] {
  if (lost.length === 0) return [];
  const needed = majorityOf(voters) - (voters - lost.length);
  const whose = lost.length === 1 ? "its" : needed === lost.length ? "their" : null;
  const old =
    whose === null ? `the old data of ${numberWord(needed)} of them` : `${whose} old data`;
  const best = rows
    .filter(({ member, role }) => member !== "none" && role !== "unreachable")
    .toSorted((a, b) => (b.lastIndex ?? 0) - (a.lastIndex ?? 0))[0];
  const wait = lost.length === 1 ? "waits" : "wait";
  const lines = [
    `  ${nodesText(lost)} ${wait} with other data than the members had: the cluster cannot go on without ${old}`,
  ];
  if (best === undefined) return lines;
  // A node that was started without the others does not know what was committed.
  const isKnown = (best.commitIndex ?? 0) > 0;
  const save = hints.command(`log --stale --node ${best.id}`);
  lines.push(
    isKnown
      ? `  what node ${best.id} knows committed can be saved: ${save} > FILE`
      : `  node ${best.id} holds ${entriesText(best.lastIndex ?? 0)}: keep its data until then`,
  );
  return lines;
}

function muteLines(row: StatusRow, mute: string, hints: Hints): readonly string[] {
  const line = `  node ${row.id} does not vote: ${mute}`;
  if (!row.lostData) return [line];
  const renew = `${hints.wipe(row.id, row)}, then ${hints.up(row.id, { place: row })}`;
  return [
    line,
    `    ${placeText(row)}  Ctrl-C, ${renew}`,
    `    then, on any node  ${hints.command(`members replace ${row.id}`)}`,
  ];
}

function missingLine(row: StatusRow, hints: Hints, nowMs: WallMs): string {
  const since =
    row.lastHeardWallMs === null
      ? "not heard yet"
      : `${row.stopped ? "stopped at" : "silent since"} ${momentOf(row.lastHeardWallMs, nowMs)}`;
  return `  node ${row.id} ${since}: ${bringBackText(row, hints)}`;
}

/** How a member is brought back, and where. `hints`: as `localHints` has them. */
export function bringBackText(row: StatusRow, hints: Hints): string {
  if (hints.local !== null) return `${hints.up(row.id)} starts those that are missing`;
  return `${placeText(row)}  ${hints.up(row.id, { place: row })}`;
}

/** "on lab-08 (10.0.0.8)" */
function placeText({ address, host }: StatusRow): string {
  const where = address === null ? "" : ` (${address.host})`;
  return host === null ? `on its machine${where}` : `on ${host}${where}`;
}

function strangerLine(row: StatusRow, rows: readonly StatusRow[], hints: Hints): string {
  const isMemberId = rows.some((other) => other.id === row.id && other.member !== "none");
  if (isMemberId)
    return `  node ${row.id} waits with other data than the member had: ${hints.command(`members replace ${row.id}`)}`;
  const add = hints.command(`members add ${row.id}`);
  // It has a term: it was a member.
  if (row.term !== null)
    return `  node ${row.id} is no longer a member: end it with ${hints.command(`stop ${row.id}`)}, or let it in again with ${add}`;
  return `  node ${row.id} waits outside: ${add}`;
}

/** `raft status --json`, in the shape that programs rely on. */
export function statusJson(status: ClusterStatus): Record<string, unknown> {
  return {
    cluster: status.cluster,
    auth: status.auth,
    leader: status.leader,
    term: status.term,
    healthy: status.healthy,
    voters: status.voters,
    reachableVoters: status.reachableVoters,
    canLose: status.canLose,
    founded: status.founded,
    nodes: sortedRows(status).map((row) => ({
      id: row.id,
      member: row.member,
      role: row.role,
      term: row.term,
      lastIndex: row.lastIndex,
      commitIndex: row.commitIndex,
      lag: row.lag,
      lastContactMs: row.lastContactMs,
      rttMs: row.rttMs,
      fsyncMs: row.fsyncMs,
      address: row.address === null ? null : addressText(row.address),
      host: row.host,
      uptimeS: row.uptimeMs === null ? null : Math.floor(row.uptimeMs / 1_000),
      version: row.version,
      firstIndex: row.firstIndex,
    })),
  };
}
