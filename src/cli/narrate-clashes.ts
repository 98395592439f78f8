/** Events that a person has to settle: an id claimed twice, founders that disagree, data from
 *  another past, a node that nobody let in, a disk that lost something. */

import type { LogIndex, NodeId } from "../base/types.ts";
import { foundersFlag } from "../client/founders.ts";
import type { PeerName } from "../node/events.ts";
import { dataPlaceOf, type Hints } from "./hints.ts";
import type { EventOf, Memory } from "./narrate-memory.ts";
import {
  dayAndTime,
  dayOf,
  entriesText,
  hostOf,
  hourAndMinute,
  listOf,
  nodesText,
  onHost,
} from "./wording.ts";

type ClashEvent = EventOf<
  | "id in use"
  | "not a founder"
  | "waits outside"
  | "removed"
  | "fenced"
  | "older cluster"
  | "two foundings"
  | "admitted"
  | "diverged"
  | "lost data"
  | "healed"
>;

/** The sentences of one such event; the first is the heading, the others stand under it. */
export function clashLines(event: ClashEvent, memory: Memory): readonly string[] {
  const { hints, self } = memory;
  switch (event.type) {
    case "id in use":
      return idInUseLines(event, memory);
    case "not a founder":
      return notFounderLines(event.founders, memory);
    case "waits outside":
      return [
        `node ${self} is not a member of ${clusterText(memory)} (members: ${event.members.join(", ")}); it waits outside.`,
        columns(
          "Let it in, on any node of the cluster:",
          `${hints.command(`members add ${self}`)}          Typed wrongly? Ctrl-C`,
        ),
      ];
    case "removed":
      return [
        `this node is no longer a member of ${clusterText(memory)} (members: ${event.members.join(", ")}, as of entry ${event.index}): it copies nothing any more. Ctrl-C ends it.`,
        columns("To let it in again:", hints.command(`members add ${self}`), 30),
      ];
    case "fenced":
      return fencedLines(event, memory);
    case "older cluster":
      return event.selfIsOlder ? newcomerLines(event, memory) : olderLines(event, memory);
    case "two foundings":
      return twoFoundingLines(event, memory);
    case "admitted":
      return [
        event.role === "voter"
          ? "this node is a voter now"
          : "this node is a learner now: it copies the log and has no vote yet",
      ];
    case "diverged":
      return [
        `this log and that of node ${event.peer} differ at entry ${event.index}, which both hold as committed: ` +
          `${event.selfStops ? "this node" : "that node"} stops voting and keeps every file`,
      ];
    case "lost data":
      return lostDataLines(event, memory);
    case "healed":
      return [`${rangeText(event)} repaired with the copy of node ${event.by}`];
  }
}

/** "node 2 (ana@lab-08)" the first time, "node 2" later; with its address on request. */
export function introduce(peer: PeerName, memory: Memory, withAddress = false): string {
  if (memory.introduced.has(peer.id)) return `node ${peer.id}`;
  memory.introduced.add(peer.id);
  const known = [peer.userHost, withAddress ? (peer.address?.host ?? null) : null].filter(
    (part) => part !== null,
  );
  return known.length === 0 ? `node ${peer.id}` : `node ${peer.id} (${known.join(", ")})`;
}

/** Two founders that were told different founders. */
export function differentSizeLine(
  peer: PeerName,
  theirs: readonly NodeId[],
  ours: readonly NodeId[],
  memory: Memory,
): string {
  memory.introduced.delete(peer.id);
  const isDefault = ours.join() === "1,2,3" ? " (the default)" : "";
  return (
    `${introduce(peer, memory, true)} was started with ${foundersFlag(theirs)}, this one with ${foundersFlag(ours)}${isDefault}. ` +
    "Stop one with Ctrl-C and start it with the other's size."
  );
}

/** Where the commands begin that let a node with lost data back in. */
const LET_IN_COLUMNS = 38;

/** Commands of one block begin in one column. */
function columns(text: string, command: string, width = 46): string {
  return `${text.padEnd(width)}${command}`;
}

function clusterText({ cluster }: Memory): string {
  return `cluster ${cluster}`;
}

function placeText(peer: PeerName): string {
  return [peer.userHost, peer.address?.host ?? null].filter((part) => part !== null).join(", ");
}

/** How another node took this one's id. */
function idInUseText(
  id: NodeId,
  cluster: string,
  place: string,
  sinceText: string,
  hints: Hints,
  freeId: NodeId,
  founded: boolean,
): readonly string[] {
  const letIn = founded ? `, then ${hints.command(`members add ${freeId}`)}` : "";
  return [
    `node ${id} of cluster ${cluster} is already running: ${place}, since ${sinceText}.`,
    columns("Same group? Each machine needs its own id:", `${hints.up(freeId)}${letIn}`),
    columns(
      "Another group? Choose a name of your own:",
      `${hints.upInCluster(id, "NAME")}      (the same NAME on all your machines)`,
    ),
  ];
}

function idInUseLines(event: EventOf<"id in use">, memory: Memory): readonly string[] {
  const place = placeText(event.other);
  const since = hourAndMinute(event.sinceWallMs);
  if (event.keeps)
    return [
      `a second node ${memory.self} was started: ${place}, at ${since}. That one ends, this one goes on.`,
    ];
  const { freeId, founded } = event;
  return idInUseText(memory.self, memory.cluster, place, since, memory.hints, freeId, founded);
}

function notFounderLines(founders: readonly NodeId[], memory: Memory): readonly string[] {
  const { hints, self } = memory;
  // An odd number: one more would have to be waited for and could not be lost either.
  const count = Math.max(3, founders.length - ((founders.length + 1) % 2));
  const first = Math.max(1, self - count + 1);
  const mine = Array.from({ length: count }, (_, at) => first + at);
  return [
    `node ${self} is not a founder of ${clusterText(memory)} (founders: ${founders.join(", ")}). ` +
      `When they have founded it, let it in with ${hints.command(`members add ${self}`)}.`,
    `To found with these machines instead, on each of them with its own --id:    ${hints.up(self, { more: ` --voters ${mine.join(",")}` })}`,
  ];
}

function fencedLines(event: EventOf<"fenced">, memory: Memory): readonly string[] {
  const { hints, self } = memory;
  const founded = event.foundedMs === null ? "" : ` (founded ${dayAndTime(event.foundedMs)})`;
  return [
    `node ${self} of ${clusterText(memory)}${founded} is known by other data than this machine has: wiped, reinstalled, or another seat. It cannot vote.`,
    columns(
      "Let it back in, on any node of the cluster:",
      `${hints.command(`members replace ${self}`)}        (this node waits)`,
    ),
    columns("Not your cluster?", hints.upInCluster(self, "NAME")),
  ];
}

/** Seen by a new node: a founder still belongs to an older cluster. */
function olderLines(event: EventOf<"older cluster">, memory: Memory): readonly string[] {
  const { hints, self } = memory;
  const { peer } = event;
  memory.introduced.add(peer.id);
  const name = peer.userHost === null ? `node ${peer.id}` : `node ${peer.id} (${peer.userHost})`;
  const founded = event.foundedMs === null ? "" : `, founded ${dayOf(event.foundedMs)}`;
  const entries = event.entries === null ? "" : `, ${entriesText(event.entries)}`;
  return [
    `${name} still belongs to an older ${clusterText(memory)}${founded}${entries}; this node is new.`,
    columns(`To start anew, ${onHost(peer)}:`, hints.wipe(peer.id, dataPlaceOf(peer)), 30),
    ...goOnLines(event, peer.id, self, hints),
  ];
}

/** Seen by the node that holds the older cluster's data. */
function newcomerLines(event: EventOf<"older cluster">, memory: Memory): readonly string[] {
  const { hints, self } = memory;
  const founded = event.foundedMs === null ? "" : `, founded ${dayOf(event.foundedMs)}`;
  const entries = event.entries === null ? "" : `, ${entriesText(event.entries)}`;
  return [
    `this node belongs to an older ${clusterText(memory)}${founded}${entries}; ${introduce(event.peer, memory)} is new.`,
    columns("To start anew, here:", `Ctrl-C, ${hints.wipe(self)}, then ${hints.up(self)}`, 30),
    ...goOnLines(event, self, event.peer.id, hints),
  ];
}

/** How the older cluster lives on, or what is left of it when too much data is gone. */
function goOnLines(
  { otherMembers, lost }: EventOf<"older cluster">,
  older: NodeId,
  renewed: NodeId,
  hints: Hints,
): readonly string[] {
  const heading = "To go on with the old one:";
  if (lost.length > 0) {
    const until = `keep that of node ${older} until then`;
    return [columns(heading, `only with the old data of ${nodesText(lost, "or")}; ${until}`, 30)];
  }
  const whose = otherMembers.length === 1 ? "its" : "their";
  const others = otherMembers.length === 0 ? "other nodes" : nodesText(otherMembers, "or");
  const replace = hints.command(`members replace ${renewed}`);
  return [columns(heading, `start its ${others} with ${whose} data; then ${replace}`, 30)];
}

/** Seen by that very node, and by the leader that told it or that it told. */
function lostDataLines(event: EventOf<"lost data">, memory: Memory): readonly string[] {
  const { hints, self } = memory;
  const { peer } = event;
  const id = peer?.id ?? self;
  const place = peer === null ? null : dataPlaceOf(peer);
  const [whose, who] =
    peer === null
      ? ["this disk", "this node"]
      : [`the disk of ${introduce(peer, memory)}`, "that node"];
  return [
    `${whose} lost ${rangeText(event)}, which ${who} had acknowledged: an older copy of its data, or a disk that loses what was written. ` +
      `${who === "this node" ? "This" : "That"} node stops voting and appending and keeps every file`,
    columns(
      `To let it back in, ${peer === null ? "here" : onHost(peer)}:`,
      `Ctrl-C, ${hints.wipe(id, place)}, then ${hints.up(id, { place })}`,
      LET_IN_COLUMNS,
    ),
    columns(
      "Then, on any node of the cluster:",
      hints.command(`members replace ${id}`),
      LET_IN_COLUMNS,
    ),
  ];
}

function rangeText({ from, to }: { readonly from: LogIndex; readonly to: LogIndex }): string {
  return from === to ? `entry ${from}` : `entries ${from} to ${to}`;
}

function twoFoundingLines(event: EventOf<"two foundings">, memory: Memory): readonly string[] {
  const { peers, members, selfIsMember } = event;
  const { hints } = memory;
  if (selfIsMember && peers.length === 0) return twoClusterLines(members, memory);
  const named = [...members, ...peers].map((peer) => introduce(peer, memory));
  const nobody = selfIsMember || members.length > 0 ? "" : " Nobody is a member yet.";
  const wiped = [
    ...(selfIsMember ? [] : [{ id: memory.self, host: "here", place: null }]),
    ...peers.map((peer) => ({
      id: peer.id,
      host: `on ${hostOf(peer) ?? "its machine"}`,
      place: dataPlaceOf(peer),
    })),
  ];
  return [
    `two foundings of ${clusterText(memory)} meet: ${listOf(named)} signed another one than this node, so somebody was wiped in between.${nobody}`,
    nobody === ""
      ? "Who is no member holds no entry and may be wiped:"
      : "A node that says so holds no entry and may be wiped:",
    ...wiped.map(({ id, host, place }) => {
      const renew = `Ctrl-C, ${hints.wipe(id, place)}, then ${hints.up(id, { place })}`;
      return columns(`  ${host}:`, renew, 30);
    }),
  ];
}

/** Both hold entries: nobody's data are in the way. */
function twoClusterLines(members: readonly PeerName[], memory: Memory): readonly string[] {
  const named = listOf(members.map((peer) => introduce(peer, memory)));
  const belong = members.length === 1 ? "belongs" : "belong";
  return [
    `another ${clusterText(memory)} is on this network: ${named} ${belong} to it. The two do not mix, and clients that hear both refuse to choose.`,
    "Stop one of them, or found it anew under a name of its own:",
    `  ${memory.hints.upInCluster(memory.self, "NAME")}      (the same NAME on all its machines)`,
  ];
}
