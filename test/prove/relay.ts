/** A network with faults between the nodes of one machine, without root.
 *
 *  For every pair of nodes the relay has two sockets, one at each end, like a NAT: node 1 knows
 *  node 2 as `addressOf(1, 2)` and node 2 knows node 1 as `addressOf(2, 1)`. Whatever comes in from
 *  node 1 on the one leaves for node 2 from the other, after the faults of the link 1 -> 2.
 *
 *      node 1  ->  [1,2]  ~~ faults of 1 -> 2 ~~  [2,1]  ->  node 2
 *      node 1  <-  [1,2]  ~~ faults of 2 -> 1 ~~  [2,1]  <-  node 2
 *
 *  The nodes need not be trusted to keep to it: each has a multicast port of its own, hears no
 *  beacon of the others and learns no address but the relay's (`nodeArguments`). What others send
 *  to a socket of the relay is dropped and counted (`strays`). That everything really goes through
 *  it is shown by its counters, and by a relay that cuts all links: then nobody leads
 *  (network.test.ts).
 *
 *  Which fault is made where: loss, duplication (at once and much later), delay, jitter,
 *  reordering, damage, truncation, one-way cuts and a bandwidth limit are made here, in a process
 *  of its own (relay-process.ts). Topologies of network namespaces with nftables are in
 *  partial.ts: there the kernel cuts, and multicast works. */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Address } from "../../src/base/hosts.ts";
import type { NodeId } from "../../src/base/types.ts";

/** What happens to the datagrams of one directed link. Shares are per cent of all datagrams. */
export interface LinkFaults {
  readonly lossPercent: number;
  /** A copy leaves too, `duplicateAfterMs` later: 0 is at once. */
  readonly duplicatePercent: number;
  readonly duplicateAfterMs: number;
  /** All datagrams, plus up to `jitterMs`: jitter reorders by itself. */
  readonly delayMs: number;
  readonly jitterMs: number;
  /** These are held back for up to `reorderMs`, so that later ones overtake them. */
  readonly reorderPercent: number;
  readonly reorderMs: number;
  /** One to four bytes are changed. */
  readonly damagePercent: number;
  readonly truncatePercent: number;
  readonly isCut: boolean;
  /** Above it datagrams wait, and at most a tenth of a second of them; 0: no limit. */
  readonly bytesPerSecond: number;
}

export const NO_FAULTS: LinkFaults = {
  lossPercent: 0,
  duplicatePercent: 0,
  duplicateAfterMs: 0,
  delayMs: 0,
  jitterMs: 0,
  reorderPercent: 0,
  reorderMs: 0,
  damagePercent: 0,
  truncatePercent: 0,
  isCut: false,
  bytesPerSecond: 0,
};

/** What went through, of all links. */
export interface RelayCounters {
  /** Came in on a link. */
  taken: number;
  /** Left, copies included. */
  passed: number;
  lost: number;
  cut: number;
  duplicated: number;
  reordered: number;
  damaged: number;
  truncated: number;
  /** Over the limit of a link's bandwidth. */
  overflowed: number;
  /** From an address that is no node's. */
  strays: number;
}

export const NO_COUNTS: RelayCounters = {
  taken: 0,
  passed: 0,
  lost: 0,
  cut: 0,
  duplicated: 0,
  reordered: 0,
  damaged: 0,
  truncated: 0,
  overflowed: 0,
  strays: 0,
};

export interface RelayedNode {
  readonly id: NodeId;
  readonly address: Address;
}

/** A directed link, "1>2". */
export type LinkName = `${NodeId}>${NodeId}`;

/** What the process is told. */
export type RelayOrder =
  | { readonly type: "open"; readonly nodes: readonly RelayedNode[]; readonly seed: number }
  | { readonly type: "set"; readonly links: readonly LinkName[]; readonly faults: LinkFaults }
  | { readonly type: "count"; readonly number: number };

/** What it answers. */
export type RelayAnswer =
  | { readonly type: "opened"; readonly ports: readonly (readonly [LinkName, number])[] }
  | { readonly type: "set" }
  | { readonly type: "counters"; readonly number: number; readonly counters: RelayCounters };

const OPEN_MS = 10_000;

export class Relay {
  readonly #process: ChildProcess;
  readonly #ids: readonly NodeId[];
  readonly #ports: ReadonlyMap<LinkName, number>;

  private constructor(
    process: ChildProcess,
    ids: readonly NodeId[],
    ports: ReadonlyMap<LinkName, number>,
  ) {
    this.#process = process;
    this.#ids = ids;
    this.#ports = ports;
  }

  /** Opens a socket for each end of each pair, without faults at first. */
  static async open(nodes: readonly RelayedNode[], seed: number): Promise<Relay> {
    const script = fileURLToPath(new URL("relay-process.ts", import.meta.url));
    const child = fork(script, [], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    const answer = await ask(child, { type: "open", nodes, seed }, (heard) =>
      heard.type === "opened" ? heard : null,
    );
    return new Relay(
      child,
      nodes.map(({ id }) => id),
      new Map(answer.ports),
    );
  }

  /** Where `from` reaches `to`. */
  addressOf(from: NodeId, to: NodeId): Address {
    const port = this.#ports.get(`${from}>${to}`);
    if (port === undefined) throw new Error(`there is no link from ${from} to ${to}`);
    return { host: "127.0.0.1", port };
  }

  /** The flags and the environment of a node that knows nobody but through the relay. */
  nodeArguments({ id, address }: RelayedNode): {
    readonly flags: readonly string[];
    readonly env: Readonly<Record<string, string>>;
  } {
    const others = this.#ids.filter((other) => other !== id);
    const peers = others.map((other) => `${other}=127.0.0.1:${this.addressOf(id, other).port}`);
    return {
      flags: ["--listen", address.host, "--port", String(address.port), "--peers", peers.join(",")],
      // A multicast port that nobody else of this machine uses: its own data port's number.
      env: { RAFT_LOOPBACK: "1", RAFT_MULTICAST_PORT: String(address.port) },
    };
  }

  /** Every directed link between two of these nodes, or of all. */
  links(ids: readonly NodeId[] = this.#ids): readonly LinkName[] {
    return ids.flatMap((from) =>
      ids.filter((to) => to !== from).map((to): LinkName => `${from}>${to}`),
    );
  }

  /** From now on; what is not named is NO_FAULTS'. Resolves when it is in force. */
  async set(links: readonly LinkName[], faults: Partial<LinkFaults>): Promise<void> {
    const order: RelayOrder = { type: "set", links, faults: { ...NO_FAULTS, ...faults } };
    await ask(this.#process, order, (heard) => (heard.type === "set" ? heard : null));
  }

  async counters(): Promise<RelayCounters> {
    const number = performance.now();
    const answer = await ask(this.#process, { type: "count", number }, (heard) =>
      heard.type === "counters" && heard.number === number ? heard : null,
    );
    return answer.counters;
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once("exit", resolve));
    this.#process.kill("SIGKILL");
    await ended;
  }
}

function ask<T extends RelayAnswer>(
  child: ChildProcess,
  order: RelayOrder,
  pick: (answer: RelayAnswer) => T | null,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      clearTimeout(timer);
      child.off("message", take);
      child.off("exit", fail);
    };
    const fail = (): void => {
      end();
      reject(new Error("the relay does not answer"));
    };
    const take = (answer: unknown): void => {
      const picked = pick(answer as RelayAnswer);
      if (picked === null) return;
      end();
      resolve(picked);
    };
    const timer = setTimeout(fail, OPEN_MS);
    child.on("message", take);
    child.once("exit", fail);
    child.send(order);
  });
}
