/** Others on the same network: another cluster, one of the same name under another key, a second
 *  machine with an id of this cluster, old datagrams, and noise. */

import { type Address, DISCOVERY_PORT } from "../../base/hosts.ts";
import type { Random } from "../../base/random.ts";
import { newKey, openKey } from "../../transport/key.ts";
import { between, diceOf, pick } from "../chance.ts";
import type { Cluster } from "../cluster.ts";
import type { Machine } from "../machine.ts";
import { budgetOf } from "./budget.ts";
import { isFounded } from "./operator.ts";
import type { Nemesis } from "./types.ts";

/** A whole cluster of three that shares the wire and the group for a while. */
export const foreignCluster: Nemesis = {
  name: "foreign cluster",
  everyElections: 60,
  strike(cluster, random) {
    if (cluster.strangers.some(({ running }) => running)) return;
    const secret = random() < 0.5;
    const key = secret ? newKey(cluster.key.cluster, diceOf(random)) : openKey("other");
    const net = `10.1.${cluster.strangers.length}`;
    const strangers = [1, 2, 3].map((id) => cluster.addStranger(id, `${net}.${id}`, key));
    cluster.count(secret ? "same name, other key" : "foreign cluster", "others share the network");
    for (const stranger of strangers) stranger.start();
    leaveLater(cluster, random, strangers);
  },
  relent: sendAway,
};

/** A second machine claims an id: with an empty directory, or with a copy of the first one's. */
export const doubledId: Nemesis = {
  name: "doubled id",
  everyElections: 50,
  strike(cluster, random) {
    if (cluster.strangers.some(({ running }) => running)) return;
    const machine = pick(random, [...cluster.machines.values()]);
    const { id } = machine;
    // Nobody may be let in under this id meanwhile: it could be the other one.
    if (id > cluster.plan.nodes || !isFounded(cluster) || !budgetOf(cluster).take(id, "doubled"))
      return;
    const double = cluster.addStranger(id, `10.2.0.${cluster.strangers.length + 1}`, cluster.key);
    const copied = random() < 0.5;
    if (copied) double.disk = machine.disk.copy();
    cluster.count(copied ? "copied directory" : "doubled id", `a second machine claims id ${id}`);
    double.start();
    leaveLater(cluster, random, [double], () => budgetOf(cluster).release(id));
  },
  relent: sendAway,
};

/** What was sent comes again much later, to whoever listens there by then. */
export const replay: Nemesis = {
  name: "replay",
  everyElections: 30,
  strike(cluster, random) {
    const { network, schedule } = cluster;
    if (network.recorder !== null) return;
    const share = random();
    let left = between(random, 10, 200);
    const laterMs = cluster.electionMs * pick(random, [1, 10, 100]);
    network.recorder = (from, to, datagram) => {
      if (left <= 0 || random() >= share) return;
      left -= 1;
      if (left === 0) network.recorder = null;
      const kept = datagram.slice();
      for (let copies = between(random, 1, 3); copies > 0; copies--) {
        schedule.at(cluster.nowMs + random() * laterMs, () => {
          network.inject(from, to, kept);
          cluster.count("replayed");
        });
      }
    };
    cluster.count("replay", `${left} datagrams are kept, to be sent again`);
  },
  relent(cluster) {
    cluster.network.recorder = null;
  },
};

/** Bytes that nobody made, or that somebody spoiled, at data and discovery ports. */
export const garbage: Nemesis = {
  name: "garbage",
  everyElections: 10,
  strike(cluster, random) {
    const { network } = cluster;
    const hosts = [...cluster.machines.values()].map(({ host }) => host);
    const from = { host: pick(random, hosts), port: DISCOVERY_PORT + between(random, 0, 10) };
    const host = pick(random, hosts);
    const ears: Address[] = [...network.earsOf(host), { host, port: DISCOVERY_PORT }];
    for (let count = between(random, 1, 20); count > 0; count--) {
      const bytes = diceOf(random)(between(random, 0, pick(random, [40, 1_200])));
      // The magic of either kind of datagram, so that some of it gets further.
      if (random() < 0.5 && bytes.length > 2) bytes.set(pick(random, MAGICS));
      network.inject(from, pick(random, ears), bytes);
    }
    cluster.count("garbage", `garbage for ${host}`);
  },
};

/** How datagrams begin: transport/datagram.ts, discovery/beacon.ts. */
const MAGICS = [
  [0x72, 0x46, 1],
  [0x72, 0x42, 1],
] as const;

function leaveLater(
  cluster: Cluster,
  random: Random,
  strangers: readonly Machine[],
  left: () => void = () => {},
): void {
  cluster.schedule.at(cluster.nowMs + cluster.electionMs * (2 + random() * 30), () => {
    for (const stranger of strangers) stranger.kill();
    left();
  });
}

function sendAway(cluster: Cluster): void {
  for (const stranger of cluster.strangers) stranger.kill();
}
