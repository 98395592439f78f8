/** Which clusters can be heard on this network, from beacons: for `raft clusters` and for
 *  errors. */

import type { Beacon, Hint } from "../discovery/types.ts";
import { keyTagOf } from "../transport/key.ts";
import type { ClusterKey } from "../transport/types.ts";
import type { HeardCluster } from "./types.ts";

/** One row per cluster name and key, sorted by name; nodes sorted by id. */
export function heardClusters(hints: readonly Hint[], own: ClusterKey): readonly HeardCluster[] {
  const groups = new Map<string, Hint[]>();
  for (const hint of hints) {
    if (hint.beacon.bye) continue;
    const name = `${hint.beacon.cluster} ${hint.beacon.keyTag}`;
    groups.set(name, [...(groups.get(name) ?? []), hint]);
  }
  return [...groups.values()]
    .map((group) => oneCluster(group, own))
    .sort((a, b) => (a.cluster < b.cluster ? -1 : 1));
}

function oneCluster(hints: readonly Hint[], own: ClusterKey): HeardCluster {
  const nodes = hints.toSorted((a, b) => a.beacon.id - b.beacon.id);
  const { cluster, auth, keyTag } = nodes[0]?.beacon ?? { cluster: "", auth: "open", keyTag: 0 };
  return {
    cluster,
    auth,
    keyDiffers: cluster === own.cluster && keyTag !== keyTagOf(own),
    leader: leaderOf(nodes.map(({ beacon }) => beacon)),
    waitingFor: waitingFor(nodes.map(({ beacon }) => beacon)),
    nodes: nodes.map(({ beacon, address }) => ({
      id: beacon.id,
      userHost: beacon.userHost,
      address,
    })),
  };
}

/** The leader of the highest term that anybody announces. */
function leaderOf(beacons: readonly Beacon[]): HeardCluster["leader"] {
  let best: { readonly id: number; readonly term: number } | null = null;
  for (const { id, state } of beacons) {
    const leader = state.type === "leader" ? id : state.type === "member" ? state.leader : null;
    if (leader === null || (state.type !== "leader" && state.type !== "member")) continue;
    if (best === null || state.term > best.term) best = { id: leader, term: state.term };
  }
  if (best === null) return null;
  return { id: best.id, userHost: beacons.find(({ id }) => id === best.id)?.userHost ?? "" };
}

/** What every waiting founder misses: those that only some have not met yet are there. */
function waitingFor(beacons: readonly Beacon[]): readonly number[] {
  const heard = new Set(beacons.map(({ id }) => id));
  const missing = beacons.flatMap(({ state }) => (state.type === "waiting" ? state.for : []));
  return [...new Set(missing)].filter((id) => !heard.has(id)).sort((a, b) => a - b);
}
