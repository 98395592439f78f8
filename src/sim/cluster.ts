/** A simulated cluster: machines, the network between them, and everything that chance decides,
 *  each concern from a stream of its own. */

import { DISCOVERY_PORT } from "../base/hosts.ts";
import type { Random } from "../base/random.ts";
import type { MonotonicMs, NodeId } from "../base/types.ts";
import type { ClientOptions } from "../client/types.ts";
import type { NodeEvent } from "../node/events.ts";
import { openKey } from "../transport/key.ts";
import type { ClusterKey } from "../transport/types.ts";
import { Fingerprint, stream } from "./chance.ts";
import { Customer } from "./customer.ts";
import { Machine, type MachineOptions, type ProcessEnd } from "./machine.ts";
import { Network, type NetworkFault } from "./network.ts";
import type { Plan } from "./plan.ts";
import { Schedule } from "./schedule.ts";

const CLUSTER = "sim";

/** What looks on while a cluster runs. */
export interface ClusterWatcher {
  readonly onEvent?: (machine: Machine, event: NodeEvent) => void;
  /** A machine's process ended by itself, or did not start. */
  readonly onEnd?: (machine: Machine, end: ProcessEnd) => void;
  /** After each event of a machine's process. */
  readonly onTurn?: (machine: Machine) => void;
  /** A file of a machine, or its directory ("."), became durable. */
  readonly onSync?: (machine: Machine, path: string) => void;
  /** One fault of the many, as a sentence. Datagrams' faults are only counted. */
  readonly onFault?: (sentence: string) => void;
  /** A fault of one datagram on a directed link, "from>to" by host. */
  readonly onDatagramFault?: (fault: NetworkFault, link: string) => void;
}

export class Cluster {
  readonly plan: Plan;
  readonly schedule = new Schedule();
  readonly network: Network;
  readonly key: ClusterKey = openKey(CLUSTER);
  /** By id. Founders from the start; others when `addMachine` makes them. */
  readonly machines = new Map<NodeId, Machine>();
  readonly strangers: Machine[] = [];
  readonly customers: Customer[] = [];
  readonly fingerprint = new Fingerprint();
  /** How often each kind of trouble befell machines or links on purpose. */
  readonly strikes = new Map<string, number>();
  /** How often each kind of fault befell one datagram, one sync, one call, one program. */
  readonly faults = new Map<string, number>();
  readonly #watcher: ClusterWatcher;
  #promises = true;

  constructor(plan: Plan, watcher: ClusterWatcher = {}) {
    this.plan = plan;
    this.#watcher = watcher;
    const { schedule, fingerprint } = this;
    this.network = new Network(schedule, this.stream("network"), {
      onClose: () => this.#mustSettle(),
      onFault: (fault, link) => {
        this.count(fault);
        watcher.onDatagramFault?.(fault, link);
      },
      onArrival: (_from, _to, datagram) => {
        fingerprint.add(schedule.nowMs);
        fingerprint.addEnd(datagram);
      },
    });
    this.network.quality = plan.quality;
    this.network.receiveBufferBytes = plan.receiveBufferBytes;
    for (let id = 1; id <= plan.nodes; id++) this.addMachine(id);
  }

  get nowMs(): MonotonicMs {
    return this.schedule.nowMs;
  }

  /** The longest election timeout, in the world's ms: the unit in which faults and patience are
   *  measured. */
  get electionMs(): number {
    return this.plan.timings.electionMaxMs;
  }

  /** Chance for one concern. */
  stream(name: string): Random {
    return stream(this.plan.seed, name);
  }

  addMachine(id: NodeId): Machine {
    const machine = this.#machine(id, `10.0.0.${id}`, this.key, {
      onEvent: (from, event) => this.#watcher.onEvent?.(from, event),
      onEnd: (from, end) => this.#watcher.onEnd?.(from, end),
      onTurn: (from) => this.#watcher.onTurn?.(from),
      onSync: (from, path) => this.#watcher.onSync?.(from, path),
    });
    this.machines.set(id, machine);
    return machine;
  }

  /** A machine that is none of this cluster's, on the same network: of another cluster, or a second
   *  one with an id of this. Nothing of it is watched but that it does not end by a bug. */
  addStranger(id: NodeId, host: string, key: ClusterKey): Machine {
    const stranger = this.#machine(id, host, key, {
      onEvent: () => {},
      onEnd: (from, end) => {
        if (end.type === "bug") this.#watcher.onEnd?.(from, end);
      },
      onTurn: () => {},
      onSync: () => {},
    });
    this.strangers.push(stranger);
    return stranger;
  }

  #machine(
    id: NodeId,
    host: string,
    key: ClusterKey,
    watcher: Pick<MachineOptions, "onEvent" | "onEnd" | "onTurn" | "onSync">,
  ): Machine {
    const { plan, schedule, network } = this;
    const founders = Array.from({ length: plan.nodes }, (_, at) => at + 1);
    const machine = new Machine({
      schedule,
      network,
      host,
      diskRandom: this.stream(`disk ${host}`),
      diceRandom: this.stream(`dice ${host}`),
      node: {
        id,
        founders,
        foundersTyped: false,
        key,
        peers: [],
        dataDir: `/raft/${id}`,
        dataDirTyped: null,
        listen: null,
        port: null,
        http: null,
        loopbackOnly: false,
        mtuBytes: plan.datagramBytes,
        timings: plan.timings,
        multicastPort: DISCOVERY_PORT,
        verbose: plan.verbose,
        executable: "raft",
        version: "simulated",
      },
      limits: plan.limits,
      ...watcher,
      onSlow: () => this.count("slow sync"),
      onPromise: () => this.#mustSettle(),
    });
    machine.diskQuality = plan.disk;
    return machine;
  }

  /** A program with a client; `host` gives it a machine of its own, or that of a node. */
  addCustomer(options: Partial<ClientOptions> = {}, host?: string): Customer {
    const number = this.customers.length + 1;
    const customer = new Customer({
      schedule: this.schedule,
      network: this.network,
      random: this.stream(`customer ${number}`),
      host: host ?? `10.0.1.${number}`,
      client: { key: this.key, ...options },
      onPromise: () => this.#mustSettle(),
    });
    this.customers.push(customer);
    return customer;
  }

  /** Notes a fault; with a `sentence`, which says what happened for people, it is a strike. */
  count(fault: string, sentence?: string): void {
    const counts = sentence === undefined ? this.faults : this.strikes;
    counts.set(fault, (counts.get(fault) ?? 0) + 1);
    if (sentence !== undefined) this.tell(sentence);
  }

  /** What happened and is no fault, as a sentence. */
  tell(sentence: string): void {
    this.#watcher.onFault?.(sentence);
  }

  /** Runs until `done`, which is asked after each event, or until the moment `untilMs`. */
  async run(untilMs: MonotonicMs, done: () => boolean = () => false): Promise<void> {
    for (;;) {
      if (this.#promises) await this.#settle();
      if (done()) return;
      if (this.schedule.nextMs() > untilMs) return this.schedule.passTo(untilMs);
      this.schedule.step();
    }
  }

  /** Ends everything: no event has an effect any more. */
  end(): void {
    for (const machine of [...this.machines.values(), ...this.strangers]) machine.kill();
    for (const customer of this.customers) customer.end();
  }

  #mustSettle(): void {
    this.#promises = true;
  }

  /** Lets promises go on that an event has settled. So many turns of the queue suffice for every
   *  chain there is; what would need more goes on after the next event, in every run alike. */
  async #settle(): Promise<void> {
    this.#promises = false;
    for (let turn = 0; turn < 16; turn++) await Promise.resolve();
  }
}
