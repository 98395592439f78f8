/** Raft messages and what the core did, a line each: what `up --verbose` and `simulate --trace`
 *  show. */

import type { LogIndex, NodeId } from "../base/types.ts";
import type { CoreEvent, RaftMessage } from "../raft/types.ts";
import { readHead } from "../storage/record.ts";

/** "1 -> 2  append  term 3  40..44  commit 39": a message as it was taken in. `records`: the bytes
 *  that came with it. */
function messageLine(
  from: NodeId,
  to: NodeId,
  message: RaftMessage,
  records: Uint8Array | undefined,
): string {
  const words = [`${from} -> ${to}`, message.type, `term ${message.term}`];
  return [...words, ...detailsOf(message, records)].join("  ");
}

/** The lines of one node. A heartbeat that says what the one before it said is not told again: the
 *  story would scroll away. */
export class MessageTrace {
  readonly #heartbeats = new Map<string, string>();

  /** Null: nothing new. */
  line(to: NodeId, from: NodeId, message: RaftMessage, records?: Uint8Array): string | null {
    const line = messageLine(from, to, message, records);
    const { type } = message;
    if (type !== "heartbeat" && type !== "heartbeatReply") return line;
    const key = `${from} ${type}`;
    if (this.#heartbeats.get(key) === line) return null;
    this.#heartbeats.set(key, line);
    return line;
  }
}

function detailsOf(message: RaftMessage, records: Uint8Array | undefined): readonly string[] {
  switch (message.type) {
    case "preVote":
    case "vote":
      return [`last ${message.lastIndex} of term ${message.lastTerm}`];
    case "preVoteReply":
    case "voteReply":
      return [message.answer];
    case "append":
      return [rangeOf(message.prevIndex, records), `commit ${message.commitIndex}`];
    case "appendReply":
      return message.result === "matched"
        ? [`has ${message.matchIndex}`]
        : [`${message.result} at ${message.prevIndex}`, `try ${message.hintIndex}`];
    case "heartbeat":
      return [`commit ${message.commitIndex}`];
    case "heartbeatReply":
      return [`has ${message.durableIndex}`, `commit ${message.commitIndex}`];
    case "lostData":
      return [`had ${message.matchIndex}`];
    case "installSnapshot":
      return [`up to ${message.lastIndex}`];
    case "timeoutNow":
      return [];
  }
}

/** "40..44", "40", or where an empty one asks whether the logs agree. */
function rangeOf(prevIndex: LogIndex, records: Uint8Array = new Uint8Array(0)): string {
  let lastIndex = prevIndex;
  let offset = 0;
  while (offset < records.length) {
    const head = readHead(records, offset);
    if (typeof head === "string") return "damaged";
    lastIndex = head.lastIndex;
    offset += head.bytes;
  }
  if (lastIndex === prevIndex) return `is ${prevIndex} there?`;
  return lastIndex === prevIndex + 1 ? `${lastIndex}` : `${prevIndex + 1}..${lastIndex}`;
}

/** "is a candidate in term 3: nothing heard from leader 1 for 340 ms", without the node's name. */
export function coreEventLine(event: CoreEvent): string {
  switch (event.type) {
    case "role": {
      const { role, term, reason } = event;
      // A pre-candidate stays in its term and asks about the next one (thesis §9.6).
      return `${ROLES[role]} in term ${role === "pre-candidate" ? term + 1 : term}: ${reason}`;
    }
    case "leader":
      return event.leader === null
        ? `has no leader in term ${event.term}`
        : `follows leader ${event.leader} of term ${event.term}`;
    case "configuration": {
      const { configuration, reason } = event;
      const members = configuration.members.map(
        ({ id, role }) => `${id}${role === "voter" ? "" : " (learner)"}`,
      );
      return `configuration ${configuration.index} ${reason}: ${members.join(", ")}`;
    }
    case "transfer":
      return `hands over to node ${event.to}: ${event.outcome}`;
    case "lostData":
      return `hears that node ${event.peer} lost entries after ${event.durableIndex}`;
    case "diverged":
      return `differs from node ${event.peer} at ${event.index}`;
  }
}

const ROLES = {
  follower: "is a follower",
  "pre-candidate": "asks whether it would be elected",
  candidate: "is a candidate",
  leader: "leads",
} as const;
