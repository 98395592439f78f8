/** What the core wants done, collected until the node takes it. */

import type { LogIndex, NodeId, Term } from "../base/types.ts";
import type { CoreEvent, OutgoingMessage, Ready, SendOrder } from "./types.ts";

/** Messages that wait for a hard state write; the oldest is dropped beyond this, like a lost
 *  datagram. */
const HELD_MAX = 128;

const NONE: readonly never[] = Object.freeze([]);

/** Empty lists are shared and frozen, so a turn without output allocates next to nothing. */
export class Outbox {
  #messages: OutgoingMessage[] = [];
  #held: OutgoingMessage[] = [];
  #sends: SendOrder[] = [];
  #snapshots: { to: NodeId; term: Term; round: number }[] = [];
  #reads: { readId: number; index: LogIndex | null }[] = [];
  #events: CoreEvent[] = [];
  #noop: { readonly index: LogIndex; readonly term: Term } | null = null;

  message(outgoing: OutgoingMessage): void {
    this.#messages.push(outgoing);
  }

  /** Keeps a message until the hard state is durable. */
  hold(outgoing: OutgoingMessage): void {
    if (this.#held.length >= HELD_MAX) this.#held.shift();
    this.#held.push(outgoing);
  }

  /** The hard state is durable: what waited for it may leave. */
  releaseHeld(): void {
    for (const held of this.#held) this.#messages.push(held);
    this.#held = [];
  }

  /** A new term began before the messages of the old one could leave. */
  dropHeld(): void {
    this.#held = [];
  }

  send(order: SendOrder): void {
    this.#sends.push(order);
  }

  snapshot(to: NodeId, term: Term, round: number): void {
    this.#snapshots.push({ to, term, round });
  }

  read(readId: number, index: LogIndex | null): void {
    this.#reads.push({ readId, index });
  }

  event(event: CoreEvent): void {
    this.#events.push(event);
  }

  /** The no-op that the node has not appended yet. */
  get noop(): { readonly index: LogIndex; readonly term: Term } | null {
    return this.#noop;
  }

  set noop(noop: { readonly index: LogIndex; readonly term: Term } | null) {
    this.#noop = noop;
  }

  take(hardState: Ready["hardState"], committed: LogIndex | null): Ready {
    const ready: Ready = {
      hardState,
      messages: this.#messages.length === 0 ? NONE : this.#messages,
      sends: this.#sends.length === 0 ? NONE : this.#sends,
      snapshots: this.#snapshots.length === 0 ? NONE : this.#snapshots,
      committed,
      reads: this.#reads.length === 0 ? NONE : this.#reads,
      events: this.#events.length === 0 ? NONE : this.#events,
      noop: this.#noop,
    };
    if (this.#messages.length > 0) this.#messages = [];
    if (this.#sends.length > 0) this.#sends = [];
    if (this.#snapshots.length > 0) this.#snapshots = [];
    if (this.#reads.length > 0) this.#reads = [];
    if (this.#events.length > 0) this.#events = [];
    this.#noop = null;
    return ready;
  }
}
