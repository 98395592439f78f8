/** Finding nodes: asks by multicast, broadcast and unicast, answers those who ask, and keeps
 *  what was heard.
 *
 *  Everything here is a hint. A beacon can be made by anybody and be old; an address counts
 *  after HELLO. */

import { type Address, addressText, isIpv4, isLoopback } from "../base/hosts.ts";
import { type Dice, randomId, systemDice } from "../transport/dice.ts";
import { type Query, type QueryWay, decodeDiscovery, encodeBeacon, encodeQuery } from "./beacon.ts";
import { Allowance, AnswerLimit, HeardTable, SelfHearing } from "./heard.ts";
import { type Lan, type LanOptions, openLan } from "./multicast-socket.ts";
import { type Resolve, expandPeer, parsePeers, systemResolve } from "./peers.ts";
import type { Beacon, Discovery, DiscoveryOptions, DiscoveryReport, PeerSpec } from "./types.ts";

/** Multicast goes first; whoever was answered in this time has closed or does not mind. */
const BROADCAST_DELAY_MS = 100;
/** A name is looked up again after this time; one that is not known, sooner. */
const RESOLVED_MS = 60_000;
const UNRESOLVED_MS = 5_000;
/** A name server that does not answer holds up nobody for longer; the name's addresses come with
 *  a later call. */
const RESOLVE_MS_MAX = 2_000;
/** Datagrams that are opened: a flood on the discovery port must not hold up the log, which needs
 *  no discovery. */
const INTAKE_BURST = 4_000;
const INTAKE_PER_SECOND = 2_000;
/** Typed and remembered addresses that are asked, at most. */
const ADDRESSES_MAX = 640;

/** What discovery needs of the world besides time; a simulation brings its own. */
export interface DiscoveryWorld {
  readonly dice: Dice;
  readonly openLan: (options: LanOptions) => Promise<Lan>;
  readonly resolve: Resolve;
}

export const systemDiscoveryWorld: DiscoveryWorld = {
  dice: systemDice,
  openLan,
  resolve: systemResolve,
};

/** Opens the sockets and begins to listen; asks nothing by itself. Peers that cannot be parsed
 *  are left out and stand in the report's problems (the executable refuses them before). */
export async function openDiscovery(
  options: DiscoveryOptions,
  world: DiscoveryWorld = systemDiscoveryWorld,
): Promise<Discovery> {
  return await LanDiscovery.open(options, world);
}

class LanDiscovery implements Discovery {
  readonly #options: DiscoveryOptions;
  readonly #world: DiscoveryWorld;
  readonly #peers: readonly PeerSpec[];
  readonly #peerProblems: readonly string[];
  readonly #voice: string;
  readonly #heard = new HeardTable();
  readonly #intake: Allowance;
  readonly #limit: AnswerLimit;
  readonly #selfHearing = new SelfHearing();
  readonly #names = new Map<string, { readonly host: string | null; readonly atMs: number }>();
  readonly #resolving = new Map<string, Promise<string | null>>();
  readonly #ways = new Set<DiscoveryReport["ways"][number]>();
  #lan: Lan | null = null;
  #cancelBroadcast: (() => void) | null = null;

  private constructor(options: DiscoveryOptions, world: DiscoveryWorld) {
    this.#options = options;
    this.#world = world;
    this.#voice = randomId(world.dice);
    this.#intake = new Allowance(INTAKE_BURST, INTAKE_PER_SECOND, options.now());
    this.#limit = new AnswerLimit(options.now());
    const { peers, problems } = parsePeers(options.peers);
    this.#peers = peers;
    this.#peerProblems = problems;
  }

  static async open(options: DiscoveryOptions, world: DiscoveryWorld): Promise<LanDiscovery> {
    const discovery = new LanDiscovery(options, world);
    discovery.#lan = await world.openLan({
      loopbackOnly: options.loopbackOnly,
      port: options.multicastPort,
      now: options.now,
      after: options.after,
      onDatagram: (datagram, from, answer) => {
        const reply = discovery.receive(datagram, from);
        if (reply !== null) answer(reply);
      },
    });
    return discovery;
  }

  query(): void {
    const lan = this.#lan;
    if (lan === null) return;
    this.#selfHearing.keep(lan.interfaces());
    for (const address of lan.interfaces()) {
      this.#ways.add("multicast");
      lan.multicast(address, this.#question("multicast", address), () =>
        this.#selfHearing.sent(address, this.#options.now()),
      );
    }
    this.#cancelBroadcast ??= this.#options.after(BROADCAST_DELAY_MS, () => this.#askByBroadcast());
    this.#askKnown();
  }

  announce(): void {
    const lan = this.#lan;
    const beacon = this.#options.beacon?.();
    if (lan === null || beacon === undefined) return;
    const datagram = encodeBeacon(beacon, this.#world.dice);
    for (const address of lan.interfaces()) lan.multicast(address, datagram, () => {});
  }

  async typedAddresses(): Promise<readonly Address[]> {
    const lookups = Promise.all(this.#peers.map((peer) => this.#hostOf(peer)));
    let cancel = (): void => {};
    const patience = new Promise<void>((resolve) => {
      cancel = this.#options.after(RESOLVE_MS_MAX, resolve);
    });
    await Promise.race([lookups, patience]);
    cancel();
    return this.#knownAddresses();
  }

  receive(datagram: Uint8Array, from: Address): Uint8Array | null {
    if (!this.#intake.take(this.#options.now())) return null;
    const decoded = decodeDiscovery(datagram);
    if (typeof decoded === "string") return null;
    if (decoded.type === "beacon") {
      this.#hear(decoded.beacon, from);
      return null;
    }
    const { query } = decoded;
    if (query.voice === this.#voice) {
      if (query.way === "multicast") this.#selfHearing.heard(query.interface);
      return null;
    }
    if (query.beacon !== null) this.#hear(query.beacon, from);
    const beacon = this.#options.beacon?.();
    if (beacon === undefined || !this.#limit.allows(from.host, this.#options.now())) return null;
    return encodeBeacon(beacon, this.#world.dice);
  }

  report(): DiscoveryReport {
    const interfaces = this.#lan?.interfaces() ?? [];
    const nowMs = this.#options.now();
    const problem = this.#lan?.problem ?? null;
    const unknown = [...this.#names].filter(([, { host }]) => host === null).map(([name]) => name);
    return {
      interfaces,
      ways: (["multicast", "broadcast", "peers", "remembered"] as const).filter((way) =>
        this.#ways.has(way),
      ),
      heard: this.#heard.list(nowMs),
      deaf: problem === null ? this.#selfHearing.deaf(interfaces, nowMs) : [],
      problems: [
        ...(problem === null ? [] : [problem]),
        ...this.#peerProblems,
        ...unknown.map((name) => `no IPv4 address is known for ${name} (--peers)`),
      ],
    };
  }

  async close(): Promise<void> {
    this.#cancelBroadcast?.();
    const lan = this.#lan;
    this.#lan = null;
    await lan?.close();
  }

  #hear(beacon: Beacon, from: Address): void {
    if (beacon.bootId === this.#options.bootId) return;
    // A node that listens on its own loopback only cannot be reached from here.
    if (beacon.host !== null && isLoopback(beacon.host) && !isLoopback(from.host)) return;
    const address = { host: beacon.host ?? from.host, port: beacon.port };
    const hint = { beacon, address, heardMs: this.#options.now() };
    this.#heard.add(hint);
    this.#options.onHint(hint);
  }

  #question(way: QueryWay, address: string): Uint8Array {
    const query: Query = {
      voice: this.#voice,
      interface: address,
      way,
      beacon: this.#options.beacon?.() ?? null,
    };
    return encodeQuery(query, this.#world.dice);
  }

  #askByBroadcast(): void {
    this.#cancelBroadcast = null;
    const lan = this.#lan;
    if (lan === null) return;
    for (const address of lan.interfaces()) {
      if (lan.broadcast(address, this.#question("broadcast", address))) this.#ways.add("broadcast");
    }
  }

  /** Unicast to every data port that was typed or is remembered, and to the discovery port of
   *  its host (one of the nodes there hears that). Names that are not resolved yet are asked as
   *  soon as they are. */
  #askKnown(): void {
    if (this.#peers.length > 0) this.#ways.add("peers");
    if (this.#options.remembered.length > 0) this.#ways.add("remembered");
    this.#ask(this.#knownAddresses());
    for (const peer of this.#peers) {
      if (this.#known(peer) !== undefined) continue;
      void this.#hostOf(peer).then((host) =>
        host === null ? null : this.#ask(expandPeer(peer, host)),
      );
    }
  }

  #ask(addresses: readonly Address[]): void {
    const discoveryPorts = addresses.map(({ host }) => ({
      host,
      port: this.#options.multicastPort,
    }));
    for (const to of distinct([...addresses, ...discoveryPorts])) {
      this.#lan?.unicast(this.#question("unicast", "0.0.0.0"), to);
    }
  }

  #knownAddresses(): readonly Address[] {
    const typed = this.#peers.flatMap((peer) => {
      const host = this.#known(peer) ?? null;
      return host === null ? [] : expandPeer(peer, host);
    });
    return distinct([...typed, ...this.#options.remembered]).slice(0, ADDRESSES_MAX);
  }

  /** undefined: not looked up, or too long ago. null: not known. */
  #known(peer: PeerSpec): string | null | undefined {
    if (isIpv4(peer.host)) return peer.host;
    const known = this.#names.get(peer.host);
    if (known === undefined) return undefined;
    const ageMs = this.#options.now() - known.atMs;
    return ageMs < (known.host === null ? UNRESOLVED_MS : RESOLVED_MS) ? known.host : undefined;
  }

  /** One lookup of a name at a time; an address that was known stays when a later lookup fails. */
  #hostOf(peer: PeerSpec): Promise<string | null> {
    const known = this.#known(peer);
    if (known !== undefined) return Promise.resolve(known);
    const name = peer.host;
    const running = this.#resolving.get(name);
    if (running !== undefined) return running;
    const lookup = this.#world.resolve(name).then((found) => {
      this.#resolving.delete(name);
      const host = found ?? this.#names.get(name)?.host ?? null;
      this.#names.set(name, { host, atMs: this.#options.now() });
      return host;
    });
    this.#resolving.set(name, lookup);
    return lookup;
  }
}

function distinct(addresses: readonly Address[]): readonly Address[] {
  return [...new Map(addresses.map((address) => [addressText(address), address])).values()];
}
