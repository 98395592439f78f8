/** How messages and events are written in transcripts. */

import type { CoreEvent, RaftMessage } from "../../src/raft/types.ts";

/** One message on one line. */
export function renderMessage(m: RaftMessage): string {
  const head = `${m.type} t${m.term} r${m.round}`;
  switch (m.type) {
    case "preVote":
      return `${head} last ${m.lastIndex}/${m.lastTerm}`;
    case "vote":
      return `${head} last ${m.lastIndex}/${m.lastTerm}${m.ordered ? " ordered" : ""}`;
    case "preVoteReply":
    case "voteReply":
      return `${head} ${m.answer}`;
    case "append": {
      const records = m.records.map(
        (r) => `${r.firstIndex}${r.lastIndex > r.firstIndex ? `-${r.lastIndex}` : ""}/${r.term}`,
      );
      return `${head} prev ${m.prevIndex}/${m.prevTerm} [${records.join(" ")}] commit ${m.commitIndex}`;
    }
    case "appendReply":
      if (m.result === "matched") return `${head} matched ${m.matchIndex}`;
      return `${head} ${m.result} at ${m.prevIndex} hint ${m.hintIndex}/${m.hintTerm}`;
    case "heartbeat":
      return `${head} commit ${m.commitIndex}`;
    case "heartbeatReply":
      return `${head} durable ${m.durableIndex} commit ${m.commitIndex}`;
    case "lostData":
      return `${head} had ${m.matchIndex}`;
    case "timeoutNow":
      return head;
    case "installSnapshot":
      return `${head} last ${m.lastIndex}/${m.lastTerm}`;
  }
}

/** One event on one line. */
export function renderEvent(event: CoreEvent): string {
  switch (event.type) {
    case "role": {
      const votes = event.votes.length > 0 ? ` (votes: ${event.votes.join(", ")})` : "";
      return `${event.role} in term ${event.term}: ${event.reason}${votes}`;
    }
    case "leader":
      return `leader ${event.leader ?? "-"} in term ${event.term}`;
    case "configuration": {
      const members = event.configuration.members.map(
        (m) => `${m.id}${m.role === "voter" ? "" : " (learner)"}`,
      );
      return `configuration ${event.configuration.index} ${event.reason}: ${members.join(", ")}`;
    }
    case "transfer":
      return `transfer to ${event.to} ${event.outcome}`;
    case "lostData":
      return `peer ${event.peer} lost data: ${event.durableIndex} of ${event.matchIndex} is left`;
    case "diverged":
      return `diverged from ${event.peer} at ${event.index}`;
  }
}
