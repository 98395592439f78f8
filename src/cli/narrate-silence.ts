/** Why a founder is not heard, and what to do about it, chosen by what was measured. */

import type { NodeId } from "../base/types.ts";
import type { SilenceCause } from "../node/events.ts";
import type { EventOf, Memory } from "./narrate-memory.ts";
import { differentSizeLine } from "./narrate-clashes.ts";
import { nodesText } from "./wording.ts";

/** One line for how long, one for each cause; the bare fact with the usual suspicion when
 *  nothing was measured. */
export function silenceLines(event: EventOf<"silence">, memory: Memory): readonly string[] {
  const seconds = Math.round(event.seconds);
  const span = seconds < 60 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
  const whom = event.ids.length === 1 ? `a node ${event.ids[0] ?? ""}` : nodesText(event.ids);
  const silent = `nothing heard from ${whom} for ${span}.`;
  const measured = event.causes.filter((cause) => cause.type !== "unknown");
  const lines = measured.map((cause) => causeLine(cause, memory));
  if (lines.length > 0) return event.seconds === 0 ? lines : [silent, ...lines];
  const ownHost = event.causes.find((cause) => cause.type === "unknown")?.ownHost ?? memory.ownHost;
  return firewallLines(silent, event.ids, ownHost, memory);
}

function firewallLines(
  silent: string,
  ids: readonly NodeId[],
  ownHost: string,
  { hints, self }: Memory,
): readonly string[] {
  const it = ids.length === 1 ? "it runs" : "they run";
  if (hints.local !== null)
    return [`${silent} If ${it}, a firewall is in between: allow UDP 7400-7499 on loopback`];
  const first = ids[0] ?? 0;
  const here = hints.up(self, { more: ` --peers ${ids.map((id) => `HOST-OF-${id}`).join(",")}` });
  return [
    `${silent} If ${it}, a firewall is in between: allow UDP 7400-7499, or name the machines on both sides,`,
    `here ${here}, there ${hints.up(first, { more: ` --peers ${ownHost}` })}`,
  ];
}

const KEY_TEXTS = {
  both: "its key differs: copy the same raft.key to both",
  theirs: "that cluster has a key, this node has none: copy its raft.key beside this raft",
  ours: "that cluster has no key, this node has one: copy this raft.key beside that raft",
} as const;

function causeLine(cause: SilenceCause, memory: Memory): string {
  switch (cause.type) {
    case "unknown":
      return "";
    case "own multicast unheard":
      return (
        `this machine does not hear its own multicast on ${cause.interface}: its firewall drops it. ` +
        `Allow UDP 7400-7499, or name another machine: --peers ${cause.tryHost ?? "HOST"}`
      );
    case "other cluster":
      return (
        `${cause.host} is heard, but in cluster ${cause.cluster} (${cause.userHost}). ` +
        `Yours? ${memory.hints.upInCluster(memory.self, cause.cluster)}`
      );
    case "other key":
      return `${cause.host} is heard, but ${KEY_TEXTS[cause.keyed]}`;
    case "problem":
      return cause.text;
    case "not between them":
      return (
        `node ${cause.hears} hears node ${cause.unheard}, this node does not: a firewall is between this machine and that of node ${cause.unheard}. ` +
        `Allow UDP 7400-7499, or name it: --peers HOST-OF-${cause.unheard}`
      );
    case "other size":
      return differentSizeLine(cause.peer, cause.theirs, cause.ours, memory);
  }
}
