/** What a client needs of the world: time, dice, and a wire with discovery behind it. The real one
 *  is in wire.ts; the simulator and the tests bring their own. */

import type { Address } from "../base/hosts.ts";
import type { MonotonicMs } from "../base/types.ts";
import type { DiscoveryReport, Hint } from "../discovery/types.ts";
import type { Clock } from "../transport/clock.ts";
import type { Dice } from "../transport/dice.ts";
import type { Connection, Frame } from "../transport/types.ts";
import type { ClientOptions } from "./types.ts";

export interface WireListener {
  /** A node was met, or what it says of itself changed. */
  readonly onMet: (connection: Connection) => void;
  /** Byte strings in the frame alias a datagram. `nowMs`: when it was taken in. */
  readonly onFrame: (connection: Connection, frame: Frame, nowMs: MonotonicMs) => void;
  readonly onHint: (hint: Hint) => void;
}

export interface ClientWire {
  connections(): readonly Connection[];
  /** Tries to meet a node there; repeating it is harmless. */
  greet(address: Address): void;
  /** Leaves at the end of this turn, with everything else for the same node. */
  send(connection: Connection, frame: Frame): void;
  /** Whether that request is larger than a datagram and has not arrived whole, as far as is
   *  known. */
  isSending(connection: Connection, requestId: number): boolean;
  /** Asks the network for nodes; they come as hints. */
  query(): void;
  /** Typed and remembered addresses. */
  addresses(): Promise<readonly Address[]>;
  report(): DiscoveryReport;
  close(): Promise<void>;
}

export interface ClientWorld {
  readonly clock: Clock;
  readonly dice: Dice;
  readonly openWire: (options: ClientOptions, listener: WireListener) => Promise<ClientWire>;
}

/** Numbers in [0, 1) for jitter (xorshift). The dice, each throw of which asks the system, give the
 *  seed only. */
export function jitter(dice: Dice): () => number {
  let state = dice(4).reduce((value, byte) => value * 256 + byte, 0) | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
