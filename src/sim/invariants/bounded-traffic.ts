/** No storms: over a few election timeouts a node sends no more datagrams than its connections and
 *  the entries that moved explain. */

import type { LogIndex, MonotonicMs, Term } from "../../base/types.ts";
import type { Core, Role } from "../../raft/types.ts";
import type { Invariant } from "./types.ts";

/** How long is looked at, election timeouts. */
const WINDOW_ELECTIONS = 4;
/** Greetings, announcements, the end of what was under way. */
const BURST = 2_000;
/** To each connection, while entries move: four a millisecond are 4.8 MB/s in small datagrams. An
 *  entry of a mebibyte goes to every peer at such a rate, and again where its parts are lost. */
const BUSY_PER_MS = 4;
/** To each connection, while nothing is appended and a leader has nothing under way that was
 *  appended before: heartbeats, replies, and requests that clients repeat no faster than every
 *  10 ms. */
const IDLE_PER_HEARTBEAT = 8;
const IDLE_PER_MS = 0.1;

interface Window {
  readonly startMs: MonotonicMs;
  readonly datagramsOut: number;
  readonly role: Role;
  readonly term: Term;
  readonly lastIndex: LogIndex;
  /** It leads, and what it appended before is not committed: that goes to every peer now. */
  readonly isSending: boolean;
  connections: number;
}

export const boundedTraffic: Invariant = {
  name: "Bounded traffic",
  source: "ours",
  tla: null,
  watch({ cluster }) {
    const windows = new WeakMap<Core, Window>();
    const { heartbeatMs } = cluster.plan.timings;
    return {
      sampled({ id }, { core, sizes }) {
        const { role, term, lastIndex, commitIndex } = core;
        const { datagramsOut, connections } = sizes;
        const { nowMs } = cluster;
        const window = windows.get(core);
        const ms = window === undefined ? 0 : nowMs - window.startMs;
        if (window !== undefined && ms < WINDOW_ELECTIONS * cluster.electionMs) {
          window.connections = Math.max(window.connections, connections);
          return null;
        }
        const isSending = role === "leader" && commitIndex < lastIndex;
        const now = { role, term, lastIndex, isSending, connections };
        windows.set(core, { startMs: nowMs, datagramsOut, ...now });
        if (window === undefined) return null;
        const isSame =
          window.role === role && window.term === term && window.lastIndex === lastIndex;
        const isIdle = isSame && !window.isSending;
        const perConnection = isIdle
          ? (ms / heartbeatMs) * IDLE_PER_HEARTBEAT + ms * IDLE_PER_MS
          : ms * BUSY_PER_MS;
        const most = BURST + perConnection * Math.max(window.connections, connections, 1);
        const sent = datagramsOut - window.datagramsOut;
        if (sent <= most) return null;
        const what = isIdle ? "idle" : "busy";
        return `node ${id}, ${what}, sent ${sent} datagrams in ${Math.round(ms)} ms, at most ${Math.round(most)} are explained`;
      },
    };
  },
};
