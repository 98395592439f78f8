/** Turns what the core does into events for people (SESSIONS: founding, a peer that dies, the last
 *  one left). It decides nothing: the core has decided already. */

import type { Incarnation, LogIndex, MonotonicMs, NodeId, WallMs } from "../base/types.ts";
import { majorityOf } from "../raft/membership.ts";
import type { CoreStatus } from "../raft/status.ts";
import type { CoreEvent, Member } from "../raft/types.ts";
import type { Connection } from "../transport/types.ts";
import type { NodeEvent, PeerName } from "./events.ts";
import { type PeerSight, PeerWatch } from "./peer-watch.ts";
import { Repeat } from "./repeat.ts";
import type { PeerMemory } from "./report.ts";

/** A member says that it waits for a majority when it has had no leader for this long after its
 *  start. */
const QUORUM_WAIT_MS = 1_500;

export interface MemberSurroundings {
  readonly self: NodeId;
  readonly status: CoreStatus;
  readonly memories: ReadonlyMap<NodeId, PeerMemory>;
  /** The live connection to that very (id, incarnation). */
  readonly connectionTo: (id: NodeId, incarnation: Incarnation) => Connection | undefined;
  readonly nameOf: (id: NodeId) => PeerName;
  /** True when the cluster has shown this node that it is no longer a member. */
  readonly isOutside: boolean;
}

export class MemberWatch {
  readonly #peers: PeerWatch;
  readonly #startedMs: MonotonicMs;
  readonly #quorum = new Repeat();
  /** Set while this node's leadership is new and its followers have not all answered yet. */
  #graceUntilMs: MonotonicMs = 0;
  readonly #silentAfterMs: number;
  #leader: NodeId | null = null;
  /** Who was told to campaign in this node's place. */
  #heir: NodeId | null = null;
  #ready = false;
  /** This node's own role; that of a learner is kept until its vote is committed. */
  #ownRole: "voter" | "learner" | null = null;
  #silence: { readonly leader: NodeId; readonly heardMs: MonotonicMs } | null = null;

  constructor(silentAfterMs: number, nowMs: MonotonicMs) {
    this.#silentAfterMs = silentAfterMs;
    this.#peers = new PeerWatch(silentAfterMs);
    this.#startedMs = nowMs;
  }

  /** A change of role or leader, as the core reports it. */
  take(event: CoreEvent, around: MemberSurroundings, nowMs: MonotonicMs): NodeEvent[] {
    const events: NodeEvent[] = [];
    if (this.#becameVoter(around)) events.push({ type: "admitted", role: "voter" });
    if (event.type === "role") {
      if (event.role === "pre-candidate" && this.#leader !== null && this.#silence === null) {
        this.#noticeSilence(this.#leader, around, nowMs, events);
      }
      if (event.role === "leader") this.#lead(event, around, nowMs, events);
      if (event.role === "follower" && this.#leader === around.self) {
        const heir = this.#heir;
        if (heir === null) events.push(this.#lost(around, event.reason, nowMs));
        else events.push({ type: "handed over", to: heir });
        this.#leader = null;
      }
    }
    if (event.type === "lostData") {
      const peer = event.peer === around.self ? null : around.nameOf(event.peer);
      const range = { from: event.durableIndex + 1, to: event.matchIndex };
      events.push({ type: "lost data", peer, ...range });
    }
    if (event.type === "transfer") this.#heir = event.outcome === "ordered" ? event.to : null;
    if (event.type === "leader" && event.leader !== null && event.leader !== around.self) {
      if (event.leader !== this.#leader) {
        events.push({ type: "leads", leader: event.leader, term: event.term, votes: [] });
        this.#leader = event.leader;
      }
      this.#silence = null;
      this.#sayReady(around.self, events);
    }
    return events;
  }

  /** Looks around; about ten times a second. */
  look(around: MemberSurroundings, nowMs: MonotonicMs, wallMs: WallMs): NodeEvent[] {
    const { status } = around;
    if (this.#becameVoter(around)) return [{ type: "admitted", role: "voter" }];
    if (status.role === "leader") {
      this.#quorum.end();
      if (nowMs < this.#graceUntilMs) return [];
      const selfVotes = status.configuration.members.some(
        (member) => member.id === around.self && member.role === "voter",
      );
      return this.#peers.look(
        this.#sights(around, nowMs),
        selfVotes,
        status.commitIndex,
        nowMs,
        wallMs,
      );
    }
    const waits = status.leader === null && !around.isOutside;
    if (!waits || nowMs - this.#startedMs < QUORUM_WAIT_MS) {
      this.#quorum.end();
      return [];
    }
    return this.#waitForQuorum(around, nowMs);
  }

  #lead(
    event: Extract<CoreEvent, { type: "role" }>,
    around: MemberSurroundings,
    nowMs: MonotonicMs,
    events: NodeEvent[],
  ): void {
    const before = this.#silence;
    this.#leader = around.self;
    this.#peers.reset();
    this.#graceUntilMs = nowMs + this.#silentAfterMs;
    if (before === null) {
      events.push({ type: "leads", leader: around.self, term: event.term, votes: event.votes });
    } else {
      events.push({
        type: "took over",
        term: event.term,
        votes: event.votes,
        from: before.leader,
        afterSeconds: (nowMs - before.heardMs) / 1_000,
        entries: around.status.lastIndex,
      });
    }
    this.#silence = null;
    this.#sayReady(around.self, events);
  }

  /** True once, when a learner has been made a voter and that is committed. */
  #becameVoter({ self, status: { configuration, commitIndex } }: MemberSurroundings): boolean {
    const before = this.#ownRole;
    const role = configuration.members.find((member) => member.id === self)?.role ?? null;
    const isNews = before === "learner" && role === "voter";
    if (isNews && commitIndex < configuration.index) return false;
    this.#ownRole = role;
    return isNews;
  }

  #noticeSilence(
    leader: NodeId,
    around: MemberSurroundings,
    nowMs: MonotonicMs,
    events: NodeEvent[],
  ): void {
    const member = around.status.configuration.members.find(({ id }) => id === leader);
    const connection =
      member === undefined ? undefined : around.connectionTo(leader, member.incarnation);
    const memory = member === undefined ? undefined : memoryOf(around, member);
    const heardMs = connection?.lastHeardMs ?? memory?.lastHeardMs ?? nowMs;
    this.#silence = { leader, heardMs };
    events.push({ type: "leader silent", leader, seconds: (nowMs - heardMs) / 1_000 });
  }

  #lost(around: MemberSurroundings, reason: string, nowMs: MonotonicMs): NodeEvent {
    const voters = this.#sights(around, nowMs).filter((peer) => peer.voter);
    const silent = voters.filter(
      ({ lastHeardMs }) => lastHeardMs === null || nowMs - lastHeardMs > this.#silentAfterMs / 2,
    );
    const all = voters.length + 1;
    const votersLeft = all - silent.length;
    const bySilence = votersLeft < majorityOf(all);
    return {
      type: "leadership lost",
      unreachable: silent.map((peer) => peer.name),
      votersLeft,
      voters: all,
      reason: bySilence ? "" : reason,
    };
  }

  #waitForQuorum(around: MemberSurroundings, nowMs: MonotonicMs): NodeEvent[] {
    const voters = around.status.configuration.members.filter((member) => member.role === "voter");
    const missing = this.#sights(around, nowMs).filter(
      ({ voter, lastHeardMs }) =>
        voter && (lastHeardMs === null || nowMs - lastHeardMs > this.#silentAfterMs),
    );
    const needed = majorityOf(voters.length);
    if (voters.length - missing.length >= needed) return [];
    const first = !this.#quorum.lasting;
    this.#quorum.begin(nowMs);
    if (!first && this.#quorum.due(nowMs) === null) return [];
    return [
      {
        type: "waiting for quorum",
        for: missing.map(({ name }) => name.id),
        needed,
        voters: voters.length,
      },
    ];
  }

  #sights(around: MemberSurroundings, nowMs: MonotonicMs): PeerSight[] {
    const { status } = around;
    return status.configuration.members
      .filter((member) => member.id !== around.self)
      .map((member) => {
        const connection = around.connectionTo(member.id, member.incarnation);
        const memory = memoryOf(around, member);
        const progress = status.peers.find((peer) => peer.id === member.id);
        // What it acknowledged and lost since says nothing of how far it is.
        const isHeld = progress !== undefined && progress.state !== "lost data";
        const matchIndex: LogIndex | null = isHeld ? progress.matchIndex : null;
        const lastHeardMs =
          connection?.lastHeardMs ?? memory?.lastHeardMs ?? this.#neverHeard(nowMs);
        return {
          name: around.nameOf(member.id),
          voter: member.role === "voter",
          lastHeardMs,
          stopped: connection === undefined && memory?.stopped === true,
          matchIndex,
          heldIndex: connection?.remote.kind === "node" ? connection.remote.hello.lastIndex : 0,
        };
      });
  }

  /** A peer that was never heard is given the time from this node's start on. */
  #neverHeard(nowMs: MonotonicMs): MonotonicMs | null {
    return nowMs - this.#startedMs < this.#silentAfterMs ? this.#startedMs : null;
  }

  #sayReady(self: NodeId, events: NodeEvent[]): void {
    if (this.#ready) return;
    this.#ready = true;
    events.push({ type: "ready", self });
  }
}

/** What that very data directory last said; another process under its id says nothing about it. */
function memoryOf(around: MemberSurroundings, { id, incarnation }: Member): PeerMemory | undefined {
  const memory = around.memories.get(id);
  return memory?.hello.incarnation === incarnation ? memory : undefined;
}
