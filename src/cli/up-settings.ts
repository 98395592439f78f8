/** Everything that was typed after `raft up`, checked as a whole. */

import { isLoopback } from "../base/hosts.ts";
import { MEMBERS_MAX } from "../base/limits.ts";
import type { NodeId } from "../base/types.ts";
import { DEFAULT_TIMINGS, type NodeOptions } from "../node/types.ts";
import type { RaftTimings } from "../raft/types.ts";
import { LOCAL_CLUSTER } from "./cluster-choice.ts";
import type { CommandArguments, CommandContext } from "./command.ts";
import type { Hints } from "./hints.ts";
import {
  absolutePath,
  isUsualDirectory,
  type Machine,
  pathRules,
  typedPath,
  usualDirectory,
} from "./places.ts";
import {
  DEFAULT_SIZE,
  FLAGS,
  parseDuration,
  parseHttp,
  parseNodeId,
  parseVoters,
  parseWhole,
  SettingsReader,
} from "./settings.ts";
import { readPeers, readStartTarget, TARGET_FLAGS, type Target } from "./target.ts";

export const UP_FLAGS = {
  id: FLAGS.id,
  local: FLAGS.local,
  size: FLAGS.size,
  voters: FLAGS.voters,
  cluster: FLAGS.cluster,
  peers: FLAGS.peers,
  "data-dir": FLAGS["data-dir"],
  "key-file": TARGET_FLAGS["key-file"],
  listen: FLAGS.listen,
  port: FLAGS.port,
  http: FLAGS.http,
  detach: FLAGS.detach,
  verbose: TARGET_FLAGS.verbose,
  mtu: FLAGS.mtu,
  heartbeat: FLAGS.heartbeat,
  election: FLAGS.election,
} as const;

/** Set in the environment of the nodes of `--local`: they are children and report to their
 *  parent. */
export const CHILD_VARIABLE = "RAFT_CHILD_OF";

const HEARTBEAT_MS_MIN = 10;
const HEARTBEAT_MS_MAX = 5_000;
const ELECTION_MS_MAX = 60_000;
/** Two heartbeats may be lost before anybody campaigns. */
const HEARTBEATS_PER_ELECTION_MIN = 3;
const DATAGRAM_BYTES_MIN = 576;
const DATAGRAM_BYTES_MAX = 65_507;

interface Common {
  readonly hints: Hints;
  readonly detach: boolean;
  /** A node of `--local`, started by that process. */
  readonly isChild: boolean;
}

export interface NodeSettings extends Common {
  readonly type: "node";
  readonly node: Omit<NodeOptions, "onEvent">;
}

export interface LocalSettings extends Common {
  readonly type: "local";
  readonly count: number;
  readonly cluster: string;
  /** The data of node `id`. */
  readonly directoryOf: (id: NodeId) => string;
  /** Flags that the nodes take over as they were typed. */
  readonly passedOn: readonly string[];
}

export type UpSettings = NodeSettings | LocalSettings;

/** Throws one UsageError with every problem, or a CommandError about the key or the place of the
 *  data. */
export function readUpSettings(args: CommandArguments, context: CommandContext): UpSettings {
  const reader = new SettingsReader(args, context.machine.environment);
  const local = reader.read(
    "local",
    (text) => parseWhole(text, "a number of nodes", 1, MEMBERS_MAX),
    null,
  );
  const id = reader.read("id", parseNodeId, null);
  if (!reader.typed("local") && !reader.typed("id"))
    reader.problems.push(
      "which node is this?  --id 1 on the first machine, --id 2 on the second, --id 3 on the third",
    );
  if (reader.typed("local")) return readLocal(reader, local ?? 1, args, context);
  return readNode(reader, id ?? 1, context);
}

function readNode(reader: SettingsReader, id: NodeId, context: CommandContext): NodeSettings {
  const { machine } = context;
  const founders = readFounders(reader);
  const timings = readTimings(reader);
  const port = reader.read("port", (text) => parseWhole(text, "a port", 1, 65_535), null);
  const http = reader.read("http", parseHttp, null);
  const mtuBytes = reader.read(
    "mtu",
    (text) =>
      parseWhole(text, "a datagram's size in bytes", DATAGRAM_BYTES_MIN, DATAGRAM_BYTES_MAX),
    null,
  );
  const listen = reader.text("listen");
  if (listen === "") reader.problems.push("--listen is empty: it is an address of this machine");
  const peers = readPeers(reader);
  const multicastPort = reader.multicastPort();
  const target = checkedTarget(reader, context, null);
  const place = placeOf(reader.text("data-dir"), target.cluster, id, machine);
  const isChild = (machine.environment[CHILD_VARIABLE] ?? "") !== "";
  return {
    type: "node",
    hints: target.hints.withPlaces({
      directoryOf: (of) => (of === id && place.isElsewhere ? place.directory : null),
      areElsewhere: place.isElsewhere,
    }),
    detach: reader.on("detach"),
    isChild,
    node: {
      id,
      founders,
      foundersTyped: reader.typed("size") || reader.typed("voters"),
      key: target.key,
      peers,
      dataDir: place.directory,
      dataDirTyped: place.isElsewhere ? typedPath(machine, place.directory) : null,
      listen,
      port,
      http,
      loopbackOnly: isChild || reader.loopbackOnly() || (listen !== null && isLoopback(listen)),
      mtuBytes,
      timings,
      multicastPort,
      verbose: reader.on("verbose"),
      executable: context.executable,
      version: context.version,
    },
  };
}

function readLocal(
  reader: SettingsReader,
  count: number,
  args: CommandArguments,
  context: CommandContext,
): LocalSettings {
  const { machine } = context;
  for (const flag of ["id", "size", "voters", "peers", "listen", "port", "http", "mtu"] as const) {
    if (reader.typed(flag))
      reader.problems.push(
        `--${flag} does not go with --local: its nodes are 1 to N on this machine`,
      );
  }
  readTimings(reader);
  const target = checkedTarget(reader, context, LOCAL_CLUSTER);
  const place = placeOf(reader.text("data-dir"), target.cluster, null, machine);
  const directoryOf = (id: NodeId): string => pathRules(machine).join(place.directory, String(id));
  const passedOn = (["heartbeat", "election", "key-file"] as const).flatMap((flag) => {
    const text = reader.text(flag);
    return text === null ? [] : [`--${flag}=${text}`];
  });
  return {
    type: "local",
    count,
    cluster: target.cluster,
    hints: target.hints.forLocal(count).withPlaces({
      directoryOf: (id) => (place.isElsewhere ? directoryOf(id) : null),
      localDirectory: place.isElsewhere ? place.directory : null,
    }),
    detach: reader.on("detach"),
    isChild: false,
    directoryOf,
    passedOn: reader.on("verbose") ? [...passedOn, "--verbose"] : passedOn,
  };
}

/** The directory of a node, with null of a cluster: the usual one, or the one that was typed.
 *  Throws a CommandError when there is no usual one and none was typed. */
function placeOf(
  typed: string | null,
  cluster: string,
  id: NodeId | null,
  machine: Machine,
): { readonly directory: string; readonly isElsewhere: boolean } {
  const directory =
    typed === null ? usualDirectory(machine, cluster, id) : absolutePath(machine, typed);
  return { directory, isElsewhere: !isUsualDirectory(machine, directory, cluster, id) };
}

/** All problems of flags are said before any of files. */
function checkedTarget(
  reader: SettingsReader,
  context: CommandContext,
  otherwise: string | null,
): Target {
  reader.check();
  return readStartTarget(reader, context, otherwise);
}

function readFounders(reader: SettingsReader): readonly NodeId[] {
  if (reader.typed("size") && reader.typed("voters"))
    reader.problems.push("--size or --voters, not both");
  const size = reader.read(
    "size",
    (text) => parseWhole(text, "a cluster's size", 1, MEMBERS_MAX),
    DEFAULT_SIZE,
  );
  const usual = Array.from({ length: size }, (_, at) => at + 1);
  return reader.read("voters", parseVoters, usual);
}

function readTimings(reader: SettingsReader): RaftTimings {
  const heartbeatMs = reader.read(
    "heartbeat",
    (text) => parseDuration(text, HEARTBEAT_MS_MIN, HEARTBEAT_MS_MAX),
    DEFAULT_TIMINGS.heartbeatMs,
  );
  const electionMinMs = reader.read(
    "election",
    (text) => parseDuration(text, HEARTBEAT_MS_MIN, ELECTION_MS_MAX),
    DEFAULT_TIMINGS.electionMinMs,
  );
  if (electionMinMs < heartbeatMs * HEARTBEATS_PER_ELECTION_MIN) {
    reader.problems.push(
      `--election ${electionMinMs}ms is less than ${HEARTBEATS_PER_ELECTION_MIN} heartbeats of ${heartbeatMs}ms: one lost datagram would start an election`,
    );
  }
  const spread = DEFAULT_TIMINGS.electionMaxMs / DEFAULT_TIMINGS.electionMinMs;
  return { heartbeatMs, electionMinMs, electionMaxMs: Math.round(electionMinMs * spread) };
}
