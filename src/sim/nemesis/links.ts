/** Single links, or all links of one host, that are worse than the others for a while. */

import type { Random } from "../../base/random.ts";
import { between, pick } from "../chance.ts";
import type { LinkQuality } from "../network.ts";
import { later } from "./later.ts";
import type { Nemesis } from "./types.ts";

/** How a link can be bad. Delays are in heartbeats. */
const AILMENTS: readonly (readonly [
  name: string,
  ail: (quality: LinkQuality, heartbeatMs: number, random: Random) => LinkQuality,
])[] = [
  ["loss", (quality, _, random) => ({ ...quality, loss: 0.2 + random() * 0.7 })],
  [
    "delay",
    (quality, heartbeatMs, random) => {
      const delayMinMs = heartbeatMs * random() * 4;
      return { ...quality, delayMinMs, delayMaxMs: delayMinMs * (1 + random()) };
    },
  ],
  ["duplication", (quality, _, random) => ({ ...quality, duplicate: random(), reorder: random() })],
  [
    "damage",
    (quality, _, random) => ({ ...quality, damage: random() * 0.5, truncate: random() * 0.3 }),
  ],
  ["capacity", (quality, _, random) => ({ ...quality, bytesPerMs: between(random, 20, 400) })],
  ["size", (quality) => ({ ...quality, datagramBytesMax: 1_472 })],
];

export const badLinks: Nemesis = {
  name: "bad links",
  everyElections: 15,
  strike(cluster, random) {
    const { network } = cluster;
    const [name, ail] = pick(random, AILMENTS);
    const hosts = [...cluster.machines.values()].map(({ host }) => host);
    const host = pick(random, hosts);
    const only = random() < 0.4 ? pick(random, hosts) : null;
    const both = random() < 0.5;
    const quality = ail(network.quality, cluster.plan.timings.heartbeatMs, random);
    const set = (value: LinkQuality | null): void => {
      for (const other of hosts) {
        if (other === host || (only !== null && other !== only)) continue;
        network.setQuality(host, other, value);
        if (both) network.setQuality(other, host, value);
      }
    };
    set(quality);
    cluster.count(`bad links: ${name}`, `the links of ${host} are bad (${name})`);
    later(cluster, cluster.electionMs * (1 + random() * 12), () => set(null));
  },
  relent: (cluster) => cluster.network.resetQualities(),
};
