/** What happens to a node, told in sentences: NodeEvent -> lines for stderr, time of day first.
 *  A peer is introduced with user@host once. How often a state that lasts is told is the node's
 *  affair. */

import { addressText, isLoopback } from "../base/hosts.ts";
import type { NodeId, WallMs } from "../base/types.ts";
import type { NodeEvent, PeerName } from "../node/events.ts";
import { majorityOf } from "../raft/membership.ts";
import { clashLines, introduce } from "./narrate-clashes.ts";
import { dataPlaceOf, type Hints } from "./hints.ts";
import type { EventOf, Memory } from "./narrate-memory.ts";
import { silenceLines } from "./narrate-silence.ts";
import {
  dayAndTime,
  entriesText,
  listOf,
  nodesText,
  numberWord,
  onHost,
  timeOfDay,
} from "./wording.ts";

/** The text of one event, perhaps several lines; null when there is nothing new to say. */
export type Narrator = (event: NodeEvent, wallMs: WallMs) => string | null;

/** Continuation lines stand under the text, not under the time. */
const INDENT = " ".repeat("14:05:02  ".length);

/** Whom a node waits for after it lost the majority was said in the line before. */
const SAME_BREATH_MS = 2_000;
/** Several peers may tell a node the same; it is told once. */
const SAME_WORDS_MS = 5_000;

/** The narrator of node `self` of `cluster`. */
export function createNarrator(self: NodeId, cluster: string, hints: Hints): Narrator {
  const memory: Memory = {
    self,
    cluster,
    hints,
    introduced: new Set(),
    leader: null,
    toldSilent: new Set(),
    ownHost: "HOST",
    lostMs: Number.NEGATIVE_INFINITY,
    lastLine: "",
    lastMs: Number.NEGATIVE_INFINITY,
  };
  return (event, wallMs) => {
    if (event.type === "leadership lost") memory.lostMs = wallMs;
    if (event.type === "waiting for quorum" && wallMs - memory.lostMs < SAME_BREATH_MS) return null;
    const lines = eventLines(event, memory);
    if (event.type === "opened") return lines.join("\n");
    const [first = ""] = lines;
    if (first === memory.lastLine && wallMs - memory.lastMs < SAME_WORDS_MS) return null;
    memory.lastLine = first;
    memory.lastMs = wallMs;
    return lines
      .map((line, at) => (at === 0 ? `${timeOfDay(wallMs)}  ${line}` : INDENT + line))
      .join("\n");
  };
}

function eventLines(event: NodeEvent, memory: Memory): readonly string[] {
  switch (event.type) {
    case "opened":
      return openedLines(event, memory);
    case "note":
    case "trace":
      return [event.text];
    case "waiting":
      return [waitingLine(event.for, memory)];
    case "waiting for quorum":
      return [quorumLine(event)];
    case "met":
      return [metLine(event.peer, event.waitingFor, memory)];
    case "silence":
      return silenceLines(event, memory);
    case "founded":
      return [foundedLine(event, memory)];
    case "ready":
      return [readyLine(memory.hints)];
    case "stopping":
      return [stoppingLine(event)];
    case "stopped by":
      return [stoppedByLine(event, memory)];
    case "leads":
    case "leader silent":
    case "took over":
    case "leadership lost":
    case "handed over":
      return leadershipLines(event, memory);
    case "peer unreachable":
    case "peer back":
    case "peer caught up":
      return [peerLine(event, memory)];
    default:
      return clashLines(event, memory);
  }
}

function openedLines(event: EventOf<"opened">, memory: Memory): readonly string[] {
  const { hints } = memory;
  memory.ownHost = event.address.host;
  const where = isLoopback(event.address.host) ? "machine" : "network";
  const open =
    event.auth === "open"
      ? `open: anyone on this ${where} can read, write and stop it (${hints.executable} key new)`
      : "key";
  const lines = [
    `raft ${event.version}, node ${event.id} of cluster ${event.cluster}, ${addressText(event.address)}, ${open}`,
    `data in ${event.dataDir}${pastText(event, hints)}`,
  ];
  if (event.portTaken !== null) {
    lines.push(
      `port ${event.portTaken} is taken by another program: this node uses ${event.address.port} and keeps it for next time`,
    );
  }
  if (event.networkDisk)
    lines.push(
      "this is a network disk: a node is only as durable as that disk, and nodes that share it fail together",
    );
  return lines;
}

function pastText(event: EventOf<"opened">, hints: Hints): string {
  if (event.past === null) return " (new)";
  const founded =
    event.past.foundedMs === null ? "not founded" : `founded ${dayAndTime(event.past.foundedMs)}`;
  const anew = `to start anew: ${hints.wipe(event.id)}`;
  return `: ${entriesText(event.past.entries)}, ${founded}, last used ${dayAndTime(event.past.lastUsedMs)} (${anew})`;
}

function waitingLine(ids: readonly NodeId[], { hints }: Memory): string {
  if (hints.local !== null) return `waiting for ${nodesText(ids)} before the cluster is founded`;
  const start = `${hints.up(ids[0] ?? 0)} on another machine, or in another terminal of this one`;
  return `waiting for ${nodesText(ids)} before the cluster is founded: ${start}`;
}

function quorumLine(event: EventOf<"waiting for quorum">): string {
  const missing = event.needed - (event.voters - event.for.length);
  const whom =
    missing <= 1
      ? `node ${listOf(event.for, "or")}`
      : `${numberWord(missing)} of ${nodesText(event.for)}`;
  return `waiting for ${whom}: ${numberWord(event.needed)} of ${numberWord(event.voters)} voters are needed`;
}

function metLine(peer: PeerName, waitingFor: readonly NodeId[], memory: Memory): string {
  memory.introduced.delete(peer.id);
  const met = `met ${introduce(peer, memory, true)}`;
  if (waitingFor.length === 0) return met;
  if (memory.hints.local !== null) return `${met}; waiting for ${nodesText(waitingFor)}`;
  return `${met}; waiting for ${nodesText(waitingFor)}: ${memory.hints.up(waitingFor[0] ?? 0)}`;
}

function foundedLine(event: EventOf<"founded">, { hints, self }: Memory): string {
  const head = `founded cluster ${event.cluster} (${event.clusterId.slice(0, 8)}) with`;
  if (event.mixed) {
    const named = event.founders.map((peer) =>
      peer.userHost === null ? `${peer.id}` : `${peer.id} (${peer.userHost})`,
    );
    const anew = `Ctrl-C, ${hints.wipe(self)}, then ${hints.upInCluster(self, "NAME")}`;
    return `${head} node ${named.join(", ")}. Not your group? ${anew}`;
  }
  const ids = event.founders.map((peer) => peer.id);
  if (ids.length === 1) return `${head} node ${ids[0]} alone: if it fails, so does the cluster`;
  const failing = ["none of them may fail", "any one of them may now fail"][event.canLose];
  return `${head} nodes ${ids.join(", ")}: ${failing ?? `any ${numberWord(event.canLose)} of them may now fail`}`;
}

/** What to type first, once there is a leader. */
export function readyLine(hints: Hints): string {
  const send = `${hints.command("send")} "hello"`;
  if (hints.local !== null) return `ready: in another terminal ${send}`;
  return `ready: ${send}   ${hints.command("status")}   (Ctrl-C stops this node)`;
}

function stoppingLine(event: EventOf<"stopping">): string {
  if (event.leader === null || event.handedOverMs === null) return "stopping";
  return `stopping: node ${event.leader} leads now (handed over in ${Math.round(event.handedOverMs)} ms)`;
}

/** In the words that were typed elsewhere. */
function stoppedByLine({ by, kill, asLeader }: EventOf<"stopped by">, { self }: Memory): string {
  return `stopped by ${by} (raft stop ${asLeader ? "leader" : self}${kill ? " --kill" : ""})`;
}

type LeadershipEvent = EventOf<
  "leads" | "leader silent" | "took over" | "leadership lost" | "handed over"
>;

function leadershipLines(event: LeadershipEvent, memory: Memory): readonly string[] {
  switch (event.type) {
    case "leads": {
      memory.leader = event.leader;
      const votes = event.votes.length === 0 ? "" : ` (votes: ${event.votes.join(", ")})`;
      return [`node ${event.leader} leads in term ${event.term}${votes}`];
    }
    case "leader silent":
      memory.toldSilent.add(event.leader);
      return [
        `node ${event.leader}, the leader, has been silent for ${event.seconds.toFixed(2)} s`,
      ];
    case "took over": {
      memory.leader = memory.self;
      const after =
        event.from === null || event.afterSeconds === null
          ? ""
          : `, ${event.afterSeconds.toFixed(2)} s after node ${event.from} was last heard`;
      const entries =
        event.entries === 1 ? "the 1 entry is here" : `all ${event.entries} entries are here`;
      return [
        `this node leads in term ${event.term} (votes: ${event.votes.join(", ")})${after}; ${entries}`,
      ];
    }
    case "leadership lost":
      memory.leader = null;
      return lostLines(event, memory);
    case "handed over":
      memory.leader = null;
      return [`this node has handed the leadership to node ${event.to}`];
  }
}

function lostLines(event: EventOf<"leadership lost">, { hints }: Memory): readonly string[] {
  const isMissing = event.votersLeft < majorityOf(event.voters);
  if (event.unreachable.length === 0 || !isMissing)
    return [`this node no longer leads: ${event.reason}`];
  const ids = event.unreachable.map((peer) => peer.id);
  const missing = majorityOf(event.voters) - event.votersLeft;
  const back = missing <= 1 ? "one is back" : `${numberWord(missing)} are back`;
  const are = ids.length === 1 ? "is" : "are";
  const left = `${event.votersLeft} of ${event.voters} voters left`;
  const starts = event.unreachable.map(
    (peer) => `${onHost(peer)} ${hints.up(peer.id, { place: dataPlaceOf(peer) })}`,
  );
  return [
    `this node no longer leads: ${nodesText(ids)} ${are} unreachable, ${left}. Nothing is lost and nothing can be added until ${back}:`,
    hints.local === null ? starts.join(", or ") : hints.up(0),
  ];
}

function peerLine(
  event: EventOf<"peer unreachable" | "peer back" | "peer caught up">,
  memory: Memory,
): string {
  const { peer } = event;
  switch (event.type) {
    case "peer unreachable": {
      const wasTold = memory.toldSilent.delete(peer.id);
      const since = wasTold ? "" : ` since ${timeOfDay(event.sinceWallMs)}`;
      const gone = event.stopped ? "has stopped" : `is unreachable${since}`;
      const left = `${event.votersLeft} of ${event.voters} voters left, ${numberWord(Math.max(0, event.spare))} to spare`;
      const place = memory.hints.local === null ? `${capital(onHost(peer))}: ` : "";
      const start = memory.hints.up(peer.id, { place: dataPlaceOf(peer) });
      return `node ${peer.id} ${gone}: ${left}. ${place}${start}`;
    }
    case "peer back":
      return `node ${peer.id} is back${event.behind > 0 ? `, ${entriesText(event.behind)} behind` : ""}`;
    case "peer caught up":
      return `node ${peer.id} has caught up: ${event.votersHere} of ${event.voters} voters`;
  }
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
