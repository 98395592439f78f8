/** Every flag that a command may take, in one table: it feeds the parser, the environment and
 *  `--help`.
 *  Values are checked here, and a command is told of all its problems at once. */

import { type Address, DISCOVERY_PORT } from "../base/hosts.ts";
import { ENTRY_BYTES_MAX, MEMBERS_MAX, NODE_ID_MAX } from "../base/limits.ts";
import type { NodeId } from "../base/types.ts";
import { ENTRY_BYTES_LEAST } from "../bench/entries.ts";
import { clusterNameProblem } from "../transport/key.ts";
import { BENCH } from "./bench-limits.ts";
import { UsageError } from "./exit-codes.ts";

/** A flag as citty takes it. Values stay text until they are read through a SettingsReader. */
export interface FlagDefinition {
  readonly type: "boolean" | "string";
  readonly description: string;
  readonly valueHint?: string;
  readonly alias?: string;
}

function value(
  valueHint: string,
  description: string,
  alias?: string,
): FlagDefinition & { readonly type: "string" } {
  return { type: "string", valueHint, description, ...(alias === undefined ? {} : { alias }) };
}

function toggle(
  description: string,
  alias?: string,
): FlagDefinition & { readonly type: "boolean" } {
  return { type: "boolean", description, ...(alias === undefined ? {} : { alias }) };
}

/** The table. Names are as typed, without the dashes. */
export const FLAGS = {
  // The common ones; each is also an environment variable.
  cluster: value("NAME", "which cluster; 1 to 32 of a-z A-Z 0-9 . _ -"),
  "key-file": value(
    "F",
    "the cluster's key; otherwise raft.key beside the executable or in your configuration folder",
  ),
  peers: value(
    "HOST,...",
    "machines to ask when multicast does not reach them: HOST, HOST:PORT or ID=HOST:PORT",
  ),
  timeout: value("TIME", "how long to wait: 5s, 500ms, or 500, which are milliseconds"),
  "data-dir": value(
    "DIR",
    "where the data is; otherwise the platform's state directory, under raft/CLUSTER/ID",
  ),
  verbose: toggle("more detail, and the stack if raft itself fails", "v"),
  // up
  id: value("N", "this node's number, 1 to 999; each machine needs its own"),
  local: value("N", "N nodes on this machine in this terminal, loopback only"),
  size: value("N", "found with the nodes 1 to N; 3 unless typed, 16 at most"),
  voters: value("1,2,5", "found with exactly these nodes"),
  listen: value("HOST", "the address of this machine to use; all of them unless typed"),
  port: value("P", "the UDP port; 7400 + ID unless typed"),
  http: value("[HOST:]PORT", "answer GET /status there; on loopback unless a host is typed"),
  detach: toggle(
    "run in the background; the log is beside the data, the process id is printed",
    "d",
  ),
  mtu: value("BYTES", "the largest datagram; 1200 to other machines unless typed"),
  heartbeat: value(
    "TIME",
    "how often a leader is heard; 50ms unless typed, the same on every node",
  ),
  election: value(
    "TIME",
    "silence after which a node may campaign; 250ms unless typed, the same on every node",
  ),
  // send
  "if-last": value("INDEX", "only if the last entry is still at this index; 0: the log is empty"),
  "request-id": value(
    "ID",
    "finish a request of unknown outcome, or name your own: it takes effect once",
  ),
  file: value("FILE", `one entry: all bytes of that file as they are, ${ENTRY_BYTES_MAX} at most`),
  quiet: toggle("no receipts", "q"),
  json: toggle("one JSON object, or one a line"),
  // log
  from: value("I", "the first index to show"),
  to: value("I", "the last index to show"),
  tail: value("N", "only the last N entries", "n"),
  follow: toggle("go on as entries are added", "f"),
  all: toggle("no-ops and configuration entries too"),
  node: value("ID", "read at that node; still up to date, it asks the leader"),
  stale: toggle("what that node knows to be committed, at once, without asking the leader"),
  raw: toggle("the entries' bytes and a newline each, nothing else"),
  // status, leader, stop, members, wipe
  watch: toggle("again every second, until Ctrl-C", "w"),
  check: toggle("exit 6 when degraded, 4 without a leader"),
  wait: toggle("wait until there is a leader"),
  kill: toggle("end at once, as a crash would"),
  learner: toggle("keep it a learner: it copies the log and has no vote"),
  yes: toggle("do not ask"),
  // simulate
  seed: value("N", "the run's seed, 0 to 4294967295; the same one gives the same run"),
  nodes: value("N", "how many nodes, 1 to 9; 3 unless typed"),
  entries: value("N", "how many entries are sent, 0 to 100000; 10 unless typed"),
  loss: value("PART", "how many datagrams are lost: 10%, or 0.1"),
  duplicate: value("PART", "how many datagrams arrive twice: 10%, or 0.1"),
  reorder: value("PART", "how many datagrams are overtaken by others: 10%, or 0.1"),
  crash: value("N", "how often a node is killed and started again, 0 to 1000"),
  partition: value("N", "how often a node is cut off from the others for a while, 0 to 1000"),
  trace: toggle("tell every message as it arrives, and every datagram that is lost"),
  // bench
  outstanding: value(
    "N",
    `entries under way at any time, over all clients; ${BENCH.outstanding} unless typed, or as many as there are clients; ${BENCH.outstandingMax} at most, and ${BENCH.outstandingBytesMax >> 20} MiB`,
  ),
  seconds: value(
    "S",
    `how long to measure, ${BENCH.secondsMin} to ${BENCH.secondsMax}; ${BENCH.seconds} unless typed`,
  ),
  clients: value(
    "C",
    `independent sessions that send, over one socket; 1 unless typed, ${BENCH.clientsMax} at most`,
  ),
  rate: value(
    "R",
    `send R entries a second, over all clients, whatever comes back; ${BENCH.rateMax} at most`,
  ),
} as const;

/** `bench` means something else by --size, and by --timeout. */
export const ENTRY_SIZE_FLAG = value(
  "B",
  `bytes of an entry, ${ENTRY_BYTES_LEAST} to ${ENTRY_BYTES_MAX}; ${BENCH.entryBytes} unless typed`,
);
export const ENTRY_TIMEOUT_FLAG = value(
  "TIME",
  `how long one entry may take: 5s, 500ms, or 500, which are milliseconds; ${BENCH.entryTimeoutMs / 1_000}s unless typed`,
);

/** The common flags that the environment may give as well. */
export const FLAG_ENVIRONMENT: Readonly<Record<string, string>> = {
  cluster: "RAFT_CLUSTER",
  "key-file": "RAFT_KEY_FILE",
  peers: "RAFT_PEERS",
  timeout: "RAFT_TIMEOUT",
  "data-dir": "RAFT_DATA_DIR",
};

/** Tests move the shared multicast port; people have no reason to. */
const MULTICAST_PORT_VARIABLE = "RAFT_MULTICAST_PORT";
/** Tests stay on this machine: "1" keeps nodes and clients on loopback. */
const LOOPBACK_VARIABLE = "RAFT_LOOPBACK";

export const DEFAULT_SIZE = 3;
/** How long `send` waits unless told otherwise. */
export const SEND_TIMEOUT_MS = 5_000;
/** How long every other client command waits. */
export const CLIENT_TIMEOUT_MS = 2_000;
const DURATION_MS_MAX = 24 * 3_600_000;

/** What came of reading one text: a value, or the rule that it breaks. */
export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly rule: string };

function wrong(rule: string): { readonly ok: false; readonly rule: string } {
  return { ok: false, rule };
}

/** A whole number in a range; `what` names it in the rule. */
export function parseWhole(text: string, what: string, min: number, max: number): Parsed<number> {
  const number = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= min && number <= max) return { ok: true, value: number };
  return wrong(
    max === Number.MAX_SAFE_INTEGER
      ? `${what} is a whole number from ${min}`
      : `${what} is ${min} to ${max}`,
  );
}

export function parseNodeId(text: string): Parsed<NodeId> {
  return parseWhole(text, "an id", 1, NODE_ID_MAX);
}

/** `10%` or `0.1`: 0 to 1. */
export function parsePart(text: string): Parsed<number> {
  const match = /^(\d{1,3}(?:\.\d{1,6})?)(%?)$/.exec(text);
  const part = match === null ? Number.NaN : Number(match[1]) / (match[2] === "%" ? 100 : 1);
  if (part >= 0 && part <= 1) return { ok: true, value: part };
  return wrong("this is a part of all, such as 10% or 0.1");
}

/** `500ms`, `5s`, `1.5s`, or a number of milliseconds. Up to a day. */
export function parseDuration(text: string, minMs = 1, maxMs = DURATION_MS_MAX): Parsed<number> {
  const match = /^(\d{1,12}(?:\.\d{1,6})?)(ms|s)?$/.exec(text);
  if (match === null) return wrong("a time is 500ms, 5s or a number of milliseconds");
  const spanMs = Math.round(Number(match[1]) * (match[2] === "s" ? 1_000 : 1));
  if (spanMs >= minMs && spanMs <= maxMs) return { ok: true, value: spanMs };
  return wrong(
    `this time is ${minMs}ms to ${maxMs % 1_000 === 0 ? `${maxMs / 1_000}s` : `${maxMs}ms`}`,
  );
}

/** A number of seconds, to the millisecond. */
export function parseSeconds(text: string, min: number, max: number): Parsed<number> {
  const seconds = /^\d{1,6}(\.\d{1,3})?$/.test(text) ? Number(text) : Number.NaN;
  if (seconds >= min && seconds <= max) return { ok: true, value: seconds };
  return wrong(`this is ${min} to ${max} seconds`);
}

export function parseClusterName(text: string): Parsed<string> {
  if (clusterNameProblem(text) === null) return { ok: true, value: text };
  return wrong("a name is 1 to 32 of a-z A-Z 0-9 . _ -, and begins with a letter or digit");
}

/** `1,2,5`: ids, each once, sorted. */
export function parseVoters(text: string): Parsed<readonly NodeId[]> {
  const ids: NodeId[] = [];
  for (const part of text.split(",")) {
    const id = parseNodeId(part.trim());
    if (!id.ok) return wrong("these are ids from 1 to 999 with commas between: 1,2,5");
    if (ids.includes(id.value)) return wrong(`${id.value} is in it twice`);
    ids.push(id.value);
  }
  if (ids.length > MEMBERS_MAX) return wrong(`a cluster has at most ${MEMBERS_MAX} members`);
  return { ok: true, value: ids.toSorted((a, b) => a - b) };
}

/** HOST, HOST:PORT or ID=HOST:PORT, with commas between. */
export function parsePeers(text: string): Parsed<readonly string[]> {
  const peers = text
    .split(",")
    .map((peer) => peer.trim())
    .filter((peer) => peer !== "");
  for (const peer of peers) {
    const match = /^(?:(\d+)=)?([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)(?::(\d+))?$/.exec(peer);
    const rightId = match?.[1] === undefined || parseNodeId(match[1]).ok;
    const rightPort = match?.[3] === undefined || parseWhole(match[3], "a port", 1, 65_535).ok;
    if (match === null || !rightId || !rightPort)
      return wrong(`"${peer}" is not HOST, HOST:PORT or ID=HOST:PORT (IPv4 or a name)`);
  }
  return { ok: true, value: peers };
}

/** `PORT` (loopback) or `HOST:PORT`. */
export function parseHttp(text: string): Parsed<Address> {
  const colon = text.lastIndexOf(":");
  const host = colon < 0 ? "127.0.0.1" : text.slice(0, colon);
  const port = parseWhole(text.slice(colon + 1), "a port", 1, 65_535);
  if (!port.ok || host === "") return wrong("this is PORT or HOST:PORT");
  return { ok: true, value: { host, port: port.value } };
}

/** Reads a command's settings from its flags, then from the environment, and keeps every
 *  problem. */
export class SettingsReader {
  readonly problems: string[] = [];
  readonly #args: Readonly<Record<string, unknown>>;
  readonly #environment: Readonly<Record<string, string | undefined>>;

  constructor(
    args: Readonly<Record<string, unknown>>,
    environment: Readonly<Record<string, string | undefined>>,
  ) {
    this.#args = args;
    this.#environment = environment;
  }

  /** True when the flag itself was typed. */
  typed(name: keyof typeof FLAGS): boolean {
    return typeof this.#args[name] === "string" || this.#args[name] === true;
  }

  on(name: keyof typeof FLAGS): boolean {
    return this.#args[name] === true;
  }

  /** The text of a flag or of its environment variable (an empty variable counts as unset). */
  text(name: keyof typeof FLAGS): string | null {
    return this.#source(name)?.text ?? null;
  }

  /** The checked value, or `otherwise` when nothing was given or what was given is a problem. */
  read<T, D>(name: keyof typeof FLAGS, parse: (text: string) => Parsed<T>, otherwise: D): T | D {
    const source = this.#source(name);
    if (source === null) return otherwise;
    const parsed = parse(source.text);
    if (parsed.ok) return parsed.value;
    this.problems.push(`${source.shown}: ${parsed.rule}`);
    return otherwise;
  }

  /** A word rather than a flag, named `shown` in the problem. */
  word<T, D>(text: string | undefined, parse: (text: string) => Parsed<T>, otherwise: D): T | D {
    if (text === undefined) return otherwise;
    const parsed = parse(text);
    if (parsed.ok) return parsed.value;
    this.problems.push(`"${text}": ${parsed.rule}`);
    return otherwise;
  }

  multicastPort(): number {
    const text = this.#environment[MULTICAST_PORT_VARIABLE];
    if (text === undefined || text === "") return DISCOVERY_PORT;
    const port = parseWhole(text, "a port", 1, 65_535);
    if (port.ok) return port.value;
    this.problems.push(`${MULTICAST_PORT_VARIABLE}=${text}: ${port.rule}`);
    return DISCOVERY_PORT;
  }

  loopbackOnly(): boolean {
    return this.#environment[LOOPBACK_VARIABLE] === "1";
  }

  /** Throws one UsageError with all problems, if there is any. */
  check(): void {
    // It would be the working directory: nobody means that by a variable that is not set.
    if (this.text("data-dir") === "") this.problems.push("--data-dir is empty: name a directory");
    if (this.problems.length > 0) throw new UsageError(this.problems.join("\n"));
  }

  #source(name: keyof typeof FLAGS): { readonly text: string; readonly shown: string } | null {
    const typed = this.#args[name];
    if (typeof typed === "string")
      return { text: typed, shown: `--${name} ${typed === "" ? '""' : typed}` };
    const variable = FLAG_ENVIRONMENT[name];
    const text = variable === undefined ? undefined : this.#environment[variable];
    return text === undefined || text === "" ? null : { text, shown: `${variable}=${text}` };
  }
}
