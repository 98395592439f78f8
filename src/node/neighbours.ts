/** Whom this node knows: where they were met, what they last said, and who of them leads. */

import { type Address, isLoopback, outerAddress } from "../base/hosts.ts";
import type {
  FoundingRecord,
  Incarnation,
  MonotonicMs,
  NodeId,
  NodeIdentity,
} from "../base/types.ts";
import type { Clock } from "../transport/clock.ts";
import type { LeaderHint } from "../transport/requests.ts";
import type { Connection, Endpoint, NodeHello, UdpSocket } from "../transport/types.ts";
import { Contacts } from "./contacts.ts";
import type { DataDirectory } from "./data-directory.ts";
import type { PeerName } from "./events.ts";
import { sameRecord } from "./formation-record.ts";
import type { Formation } from "./formation.ts";
import { KEEP_ALIVE_MS } from "./limits.ts";
import type { Member } from "./member.ts";
import type { PeerMemory } from "./report.ts";
import { type NodeOptions, toldDirectory } from "./types.ts";

/** Silent for longer than two keep-alives: greeted again. */
const MET_MS = 2 * KEEP_ALIVE_MS;

export interface NeighboursParts {
  readonly options: NodeOptions;
  readonly clock: Clock;
  readonly userHost: string;
  readonly ownHosts: () => readonly string[];
  readonly directory: DataDirectory;
  readonly socket: UdpSocket;
}

export class Neighbours {
  /** What each node last said, also after its connection is gone. */
  readonly memories = new Map<NodeId, PeerMemory>();
  readonly #contacts = new Contacts();
  readonly #parts: NeighboursParts;
  readonly #formation: Formation;
  readonly #member: () => Member | null;
  readonly #endpoint: () => Endpoint;

  constructor(
    parts: NeighboursParts,
    formation: Formation,
    member: () => Member | null,
    endpoint: () => Endpoint,
  ) {
    this.#parts = parts;
    this.#formation = formation;
    this.#member = member;
    this.#endpoint = endpoint;
  }

  addContact(address: Address): void {
    this.#contacts.add(address);
  }

  remember(hello: NodeHello, address: Address, nowMs: MonotonicMs): void {
    if (this.#isImpostor(hello)) return;
    const lastHeardWallMs = this.#parts.clock.wallMs();
    const before = this.memories.get(hello.id);
    // A greeting that its goodbye has overtaken is no return.
    const stopped = before?.stopped === true && before.hello.bootId === hello.bootId;
    const heard = { lastHeardMs: nowMs, lastHeardWallMs };
    this.memories.set(hello.id, { hello, address, stopped, ...heard });
    // Another cluster of this name is not looked for on the next network.
    const own = this.#parts.directory.identity.founding;
    const isForeign = own !== null && hello.founding !== null && !sameRecord(own, hello.founding);
    if (!isForeign) this.#parts.directory.rememberAddress(hello.id, address);
    this.#contacts.add(address);
  }

  /** That process said goodbye. */
  left({ id, bootId }: NodeIdentity): void {
    const memory = this.memories.get(id);
    if (memory?.hello.bootId === bootId) memory.stopped = true;
  }

  /** A process under a member's id with other data does not take that member's place in memory. */
  #isImpostor(hello: NodeHello): boolean {
    const members = this.#member()?.core.configuration.members ?? [];
    const named = members.find(({ id }) => id === hello.id);
    return (
      named !== undefined && named.incarnation !== hello.incarnation && this.memories.has(hello.id)
    );
  }

  /** Keeps the memories as fresh as the connections. */
  refresh(nowMs: MonotonicMs): void {
    for (const { remote, lastHeardMs } of this.#endpoint().connections()) {
      if (remote.kind !== "node") continue;
      const memory = this.memories.get(remote.identity.id);
      if (memory?.hello.bootId !== remote.identity.bootId || lastHeardMs <= memory.lastHeardMs)
        continue;
      memory.lastHeardMs = lastHeardMs;
      memory.lastHeardWallMs = this.#parts.clock.wallMs() - (nowMs - lastHeardMs);
    }
  }

  /** Known addresses where nobody is met, each at most every few seconds, for ever. */
  toGreet(nowMs: MonotonicMs): readonly Address[] {
    const met = this.#endpoint()
      .connections()
      .filter(({ remote, lastHeardMs }) => remote.kind === "node" && nowMs - lastHeardMs < MET_MS);
    const isMet = ({ host, port }: Address): boolean =>
      met.some(({ remote }) => remote.address.host === host && remote.address.port === port);
    return this.#contacts.due(isMet, nowMs);
  }

  /** The live connection to that very (id, incarnation); null: to whoever counts for that id. */
  connectionTo(id: NodeId, incarnation: Incarnation | null): Connection | undefined {
    if (incarnation === null) return this.#endpoint().nodeConnection(id);
    return this.#endpoint().nodeConnection(id, (identity) => identity.incarnation === incarnation);
  }

  /** The data directory of the process that is met under that id. */
  metIncarnation(id: NodeId): Incarnation | null {
    const remote = this.#endpoint().nodeConnection(id)?.remote;
    return remote?.kind === "node" ? remote.identity.incarnation : null;
  }

  /** True while somebody is worth asking for: a founder, or a configured member that is not met. */
  somebodyMissing(): boolean {
    const members = this.#member()?.core.configuration.members;
    if (members === undefined) return true;
    return members.some(
      ({ id, incarnation }) =>
        id !== this.#parts.options.id && this.connectionTo(id, incarnation) === undefined,
    );
  }

  /** False when every other member is gone: there is nobody to hand over to. */
  anyMemberHere(): boolean {
    const members = this.#member()?.core.configuration.members ?? [];
    return members.some(({ id, incarnation }) => this.connectionTo(id, incarnation) !== undefined);
  }

  leaderConnection(): Connection | undefined {
    const leader = this.#member()?.core.leader ?? null;
    return leader === null ? undefined : this.#endpoint().nodeConnection(leader);
  }

  leaderHint(): LeaderHint | null {
    const core = this.#member()?.core;
    if (core === undefined || core.leader === null) return null;
    const own = core.leader === this.#parts.options.id;
    const address = own ? this.ownAddress() : this.#addressMet(core.leader);
    return { id: core.leader, term: core.term, address };
  }

  /** An open cluster is operated only from machines that run one of its members. */
  mayOperate(host: string): boolean {
    if (this.#parts.options.key.auth === "key" || isLoopback(host)) return true;
    if (this.#parts.ownHosts().includes(host)) return true;
    const members = this.#member()?.core.configuration.members ?? [];
    return members.some(
      ({ id }) => this.#endpoint().nodeConnection(id)?.remote.address.host === host,
    );
  }

  /** A node as people know it, from what was heard last. */
  nameOf(id: NodeId): PeerName {
    if (id === this.#parts.options.id) {
      const { userHost, options } = this.#parts;
      return { id, userHost, address: this.ownAddress(), dataDir: toldDirectory(options) };
    }
    const remote = this.#endpoint().nodeConnection(id)?.remote;
    if (remote?.kind === "node") {
      const { userHost, dataDir } = remote.hello;
      return { id, userHost, address: this.#addressMet(id), dataDir };
    }
    const memory = this.memories.get(id);
    const hello = memory?.hello ?? this.#formation.metAs(id)[0]?.hello;
    const address =
      memory === undefined ? null : outerAddress(memory.address, memory.hello.addresses);
    return {
      id,
      userHost: hello?.userHost ?? null,
      address: address ?? hello?.addresses[0] ?? null,
      dataDir: hello?.dataDir ?? null,
    };
  }

  /** Of the node that is met under that id; null: nobody is. */
  #addressMet(id: NodeId): Address | null {
    const remote = this.#endpoint().nodeConnection(id)?.remote;
    return remote?.kind === "node" ? outerAddress(remote.address, remote.hello.addresses) : null;
  }

  /** The lowest id that no founder has and no other node is known to have. */
  freeId(record: FoundingRecord | null): NodeId {
    const taken = new Set([this.#parts.options.id, ...this.memories.keys()]);
    for (const { id } of record?.founders ?? []) taken.add(id);
    let id = 1;
    while (taken.has(id)) id += 1;
    return id;
  }

  ownAddress(): Address {
    const { socket, ownHosts } = this.#parts;
    const { host, port } = socket.address;
    return { host: host === "0.0.0.0" ? (ownHosts()[0] ?? "127.0.0.1") : host, port };
  }
}
