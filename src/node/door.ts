/** What a raft frame must be before the core and the log see it. A datagram was opened, so whoever
 *  sent it holds the key; its disk may have rotted all the same, and one frame must not end a
 *  node. */

import type { LogIndex } from "../base/types.ts";
import type { RaftMessage } from "../raft/types.ts";
import { decodeSegmentHead } from "../storage/segment-head.ts";
import type { LogStore } from "../storage/types.ts";
import type { Frame } from "../transport/types.ts";

/** No cluster gets here: a thousand elections a second take 8,900 years. Terms and rounds are
 *  counted upwards from what others say, and must stay exact. */
const COUNT_MAX = 2 ** 48;

/** Why the frame is dropped, or null. */
export function raftProblem(
  { message, bytes }: Extract<Frame, { type: "raft" }>,
  log: LogStore,
): string | null {
  if (message.term > COUNT_MAX || message.round > COUNT_MAX) return "an impossible term or round";
  if (message.type !== "installSnapshot") return null;
  const head = decodeSegmentHead(bytes ?? new Uint8Array(0));
  if (typeof head === "string") return head;
  if (head.derived === null) return "the head lacks what is derived";
  if (head.clusterId !== log.clusterId) return "the head is of another cluster";
  const isMeant = head.firstIndex === message.lastIndex + 1 && head.termBefore === message.lastTerm;
  return isMeant ? null : "the head is another than the message says";
}

/** How much of the log the sender was seen to hold. */
export function lastIndexIn(message: RaftMessage): LogIndex {
  switch (message.type) {
    case "append":
      return message.prevIndex;
    case "heartbeat":
      return message.commitIndex;
    case "appendReply":
    case "heartbeatReply":
      return message.durableIndex;
    case "vote":
    case "preVote":
    case "installSnapshot":
      return message.lastIndex;
    default:
      return 0;
  }
}
