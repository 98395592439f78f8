/** What a node says of itself: HELLO to those it meets, a beacon to everybody, a report to who
 *  asks. */

import type { Address } from "../base/hosts.ts";
import type { MonotonicMs, NodeId, NodeIdentity } from "../base/types.ts";
import type { Beacon } from "../discovery/types.ts";
import { WIRE_VERSION } from "../transport/datagram.ts";
import { keyTagOf } from "../transport/key.ts";
import type { NodeReport } from "../transport/requests.ts";
import type { Connection, NodeHello } from "../transport/types.ts";
import type { DataDirectory } from "./data-directory.ts";
import type { Formation } from "./formation.ts";
import type { Member } from "./member.ts";
import { type Acquaintance, type PeerMemory, peerReports, reportOf } from "./report.ts";
import { type NodeOptions, toldDirectory } from "./types.ts";

export interface SelfDescriptionOptions {
  readonly options: NodeOptions;
  readonly self: NodeIdentity;
  readonly userHost: string;
  /** The data socket's; its host may be 0.0.0.0. */
  readonly address: Address;
  readonly receiveWindowBytes: number;
  /** Interfaces' addresses, the most useful first. */
  readonly ownHosts: () => readonly string[];
  readonly directory: DataDirectory;
  readonly formation: Formation;
  readonly member: () => Member | null;
  readonly memories: ReadonlyMap<NodeId, PeerMemory>;
  readonly connections: () => readonly Connection[];
  readonly connectionTo: Acquaintance["connectionTo"];
  readonly leaderSinceMs: () => MonotonicMs | null;
  readonly startedMs: MonotonicMs;
}

const NOTHING_SEEN: Member["lastSeen"] = new Map();

export class SelfDescription {
  readonly #about: SelfDescriptionOptions;

  constructor(about: SelfDescriptionOptions) {
    this.#about = about;
  }

  hello(nowMs: MonotonicMs): NodeHello {
    const { options, self, address, directory, formation, userHost } = this.#about;
    return {
      id: self.id,
      incarnation: self.incarnation,
      bootId: self.bootId,
      bootCount: directory.identity.bootCount,
      clusterId: directory.clusterId,
      founding: formation.record,
      foundedMs: directory.identity.foundedMs,
      lastIndex: this.#about.member()?.log.lastIndex ?? 0,
      member: formation.member,
      founders: formation.founders,
      timings: options.timings,
      met: formation.met(),
      version: options.version,
      wireMin: WIRE_VERSION,
      wireMax: WIRE_VERSION,
      features: 0,
      addresses: this.#about.ownHosts().map((host) => ({ host, port: address.port })),
      receiveWindowBytes: this.#about.receiveWindowBytes,
      userHost,
      uptimeMs: Math.floor(nowMs - this.#about.startedMs),
      dataDir: toldDirectory(options),
    };
  }

  /** `bye`: this node is going. */
  beacon(bye: boolean): Beacon {
    const { options, self, address, directory, userHost } = this.#about;
    return {
      cluster: options.key.cluster,
      auth: options.key.auth,
      keyTag: keyTagOf(options.key),
      clusterId: directory.clusterId,
      wireVersion: WIRE_VERSION,
      id: options.id,
      bootId: self.bootId,
      userHost,
      host: address.host === "0.0.0.0" ? null : address.host,
      port: address.port,
      state: this.#beaconState(),
      bye,
    };
  }

  report(nowMs: MonotonicMs): NodeReport {
    const { options, self, address, directory, formation, userHost } = this.#about;
    const member = this.#about.member();
    const status = member?.core.status() ?? null;
    const founders = formation.record?.founders.map(({ id }) => id) ?? formation.founders;
    const sinceMs = this.#about.leaderSinceMs();
    const outside = member === null && formation.view().standing === "outside";
    return reportOf(
      {
        cluster: options.key.cluster,
        auth: options.key.auth,
        clusterId: directory.clusterId,
        foundedMs: directory.identity.foundedMs,
        id: options.id,
        incarnation: self.incarnation,
        bootId: self.bootId,
        version: options.version,
        state: member !== null ? "member" : outside ? "outside" : "waiting",
        leaderSinceMs: sinceMs === null ? null : nowMs - sinceMs,
        founders,
        syncMs: member?.log.syncMs ?? directory.syncMs,
        address: { host: this.#about.ownHosts()[0] ?? address.host, port: address.port },
        userHost,
        uptimeMs: nowMs - this.#about.startedMs,
        executable: options.executable,
        networkDisk: directory.networkDisk,
        acceptsEntries: member?.log.acceptsEntries ?? true,
        dataDir: toldDirectory(options),
      },
      status,
      (member?.log.baseIndex ?? 0) + 1,
      peerReports(
        self.id,
        status,
        founders,
        {
          memories: this.#about.memories,
          lastSeen: member?.lastSeen ?? NOTHING_SEEN,
          connections: this.#about.connections(),
          connectionTo: this.#about.connectionTo,
        },
        nowMs,
      ),
    );
  }

  #beaconState(): Beacon["state"] {
    const core = this.#about.member()?.core ?? null;
    if (core !== null && core.role === "leader") return { type: "leader", term: core.term };
    if (core !== null) return { type: "member", term: core.term, leader: core.leader };
    const view = this.#about.formation.view();
    if (view.standing === "outside") return { type: "outside" };
    return { type: "waiting", for: view.waitingFor };
  }
}
