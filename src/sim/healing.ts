/** After the faults: does what is left go on? First a random quorum is healed and the rest stays
 *  dead or cut one way for ever; then everything is healed, and nobody may be missing whom no fault
 *  has cost its disk. */

import type { MonotonicMs } from "../base/types.ts";
import type { Random } from "../base/random.ts";
import { majorityOf, votersOf } from "../raft/membership.ts";
import type { Configuration } from "../raft/types.ts";
import { between, pick } from "./chance.ts";
import type { Cluster } from "./cluster.ts";
import { FAST_DISK } from "./disk.ts";
import type { Evidence } from "./invariants/types.ts";
import type { Machine } from "./machine.ts";
import { budgetOf } from "./nemesis/budget.ts";
import { CALM } from "./network.ts";
import type { DurableRecord } from "./record-tree.ts";
import type { Workload } from "./workload.ts";

/** In election timeouts, from the healing on. */
const ELECTED_WITHIN = 10;
const EQUAL_WITHIN = 40;
const PROBES = 3;
/** A leader's disk that owes a write for four is stalled (src/raft); then others elect. */
const DEPOSED_WITHIN = 4 + ELECTED_WITHIN;

export interface Liveness {
  readonly ok: boolean;
  /** From the healing to a leader that has committed in its term, ms; null: never. */
  readonly electedAfterMs: MonotonicMs | null;
}

export interface Healing {
  /** Null: what the faults and an operator's last order have left is no quorum, or the cluster was
   *  not founded yet. */
  readonly liveness: Liveness | null;
  readonly problems: readonly string[];
}

export class Healer {
  /** Not to be started again. */
  readonly heldDown = new Set<Machine>();
  readonly #evidence: Evidence;
  readonly #cluster: Cluster;
  readonly #random: Random;
  readonly #workload: Workload;
  readonly #stop: () => boolean;

  /** `stop`: something broke that ends the run. */
  constructor(evidence: Evidence, workload: Workload, stop: () => boolean) {
    this.#evidence = evidence;
    this.#cluster = evidence.cluster;
    this.#random = evidence.cluster.stream("healing");
    this.#workload = workload;
    this.#stop = stop;
  }

  async heal(): Promise<Healing> {
    const problems: string[] = [];
    const quorum = this.#chooseQuorum();
    const liveness = quorum === null ? null : await this.#healQuorum(quorum, problems);
    if (problems.length === 0 && !this.#stop()) await this.#healAll(problems);
    return { liveness, problems };
  }

  // ------------------------------------------------------------------------------------------
  // A quorum.

  /** Voters whose disks are whole, and that are a majority of every configuration that may be in
   *  force; as few as that takes, by chance. */
  #chooseQuorum(): readonly Machine[] | null {
    const { committed } = this.#evidence;
    const inForce = committed.tip?.configuration;
    if (inForce === null || inForce === undefined) return null;
    const eligible = shuffled(this.#random, this.#wholeVoters(inForce));
    const maybeInForce = this.#maybeInForce(inForce, eligible);
    for (let size = 1; size <= eligible.length; size++) {
      const chosen = eligible.slice(0, size);
      if (maybeInForce.every((configuration) => this.#isMajority(chosen, configuration)))
        return chosen;
    }
    return null;
  }

  /** False once an operator's order that was on its way when they were chosen has made one more a
   *  voter, so that they are a majority no longer. */
  #isStillQuorum(machines: readonly Machine[]): boolean {
    const inForce = this.#evidence.committed.tip?.configuration ?? null;
    if (inForce === null) return true;
    const maybeInForce = this.#maybeInForce(inForce, machines);
    return maybeInForce.every((configuration) => this.#isMajority(machines, configuration));
  }

  #wholeVoters(configuration: Configuration): readonly Machine[] {
    const { spoiled } = budgetOf(this.#cluster);
    return votersOf(configuration).flatMap(({ id, incarnation }) => {
      const machine = this.#cluster.machines.get(id);
      if (machine === undefined || spoiled.has(id)) return [];
      return this.#evidence.platters.of(machine).incarnation === incarnation ? [machine] : [];
    });
  }

  /** What is committed, and what one of `machines` holds beyond it. */
  #maybeInForce(committed: Configuration, machines: readonly Machine[]): readonly Configuration[] {
    const later = machines.flatMap((machine) => {
      const configuration = this.#evidence.platters.of(machine).log.tip?.configuration;
      const inCore = machine.process?.member?.core.configuration;
      return [configuration ?? [], inCore ?? []].flat();
    });
    return [committed, ...later];
  }

  #isMajority(machines: readonly Machine[], configuration: Configuration): boolean {
    const voters = votersOf(configuration);
    const counted = voters.filter(({ id, incarnation }) =>
      machines.some(
        (machine) =>
          machine.id === id && this.#evidence.platters.of(machine).incarnation === incarnation,
      ),
    );
    return counted.length >= majorityOf(voters.length);
  }

  /** Null: nothing was owed in the end. */
  async #healQuorum(quorum: readonly Machine[], problems: string[]): Promise<Liveness | null> {
    const cluster = this.#cluster;
    this.#calmNetwork();
    for (const machine of [...cluster.machines.values(), ...cluster.strangers])
      if (!quorum.includes(machine)) this.#shutOut(machine, quorum);
    for (const machine of quorum) this.#calm(machine);
    const startedMs = cluster.nowMs;
    const who = `nodes ${quorum.map(({ id }) => id).join(", ")} are healed`;
    const isElected = (): boolean => quorum.some((machine) => this.#leads(machine));
    const electedAfterMs = (await this.#until(isElected, startedMs, ELECTED_WITHIN))
      ? cluster.nowMs - startedMs
      : null;
    const sent = electedAfterMs !== null && (await this.#sends());
    const equal =
      sent &&
      (await this.#until(() => this.#areEqual(this.#stillIn(quorum)), startedMs, EQUAL_WITHIN));
    const ok = equal || this.#stop();
    if (!ok && !this.#isStillQuorum(quorum)) return null;
    if (!ok) {
      const what =
        electedAfterMs === null
          ? `no leader after ${ELECTED_WITHIN} election timeouts`
          : sent
            ? "their logs do not become equal"
            : "a send does not succeed";
      problems.push(`liveness: ${who}, ${what}: ${this.#describe(quorum)}`);
    }
    return { ok, electedAfterMs };
  }

  /** An operator's last command may let one of them go after the faults. */
  #stillIn(machines: readonly Machine[]): readonly Machine[] {
    const members = this.#evidence.committed.tip?.configuration?.members ?? [];
    return machines.filter((machine) => members.some(({ id }) => id === machine.id));
  }

  /** Dead for ever, or on a link that works one way. */
  #shutOut(machine: Machine, quorum: readonly Machine[]): void {
    const { network } = this.#cluster;
    const way = pick(this.#random, ["dead", "deaf", "mute"]);
    this.heldDown.add(machine);
    if (way === "dead") machine.kill();
    for (const { host } of quorum) {
      if (way !== "mute") network.cut(host, machine.host);
      if (way !== "deaf") network.cut(machine.host, host);
    }
  }

  // ------------------------------------------------------------------------------------------
  // Everything.

  /** Every machine that must be there is a member, one leads, entries are taken, logs are equal. */
  async #healAll(problems: string[]): Promise<void> {
    const cluster = this.#cluster;
    this.#calmNetwork();
    this.heldDown.clear();
    for (const machine of cluster.machines.values()) this.#calm(machine);
    const areThere = (): boolean => this.#missing().length === 0;
    const isLed = (): boolean => this.#members().some((machine) => this.#leads(machine));
    const areEqual = (): boolean => areThere() && isLed() && this.#areEqual(this.#members());
    const demands: readonly (readonly [demand: string, meets: () => Promise<boolean>])[] = [
      ["all are members", () => this.#soon(areThere)],
      ["one leads", () => this.#soon(isLed)],
      ["a send succeeds", () => this.#sends()],
      ["their logs are equal", () => this.#soon(areEqual)],
      ["a leader whose disk hangs is followed by another", () => this.#followsHungLeader()],
      ["their logs are equal again", () => this.#soon(areEqual)],
    ];
    for (const [demand, meets] of demands) {
      const isMet = await meets();
      if (this.#stop()) return;
      if (isMet) continue;
      const missing = this.#missing().map(({ id }) => id);
      const who = missing.length === 0 ? "" : ` (missing: ${missing.join(", ")})`;
      const all = this.#describe([...cluster.machines.values()]);
      problems.push(
        `liveness: all are healed; it does not come about that ${demand}${who}: ${all}`,
      );
      return;
    }
  }

  /** Hangs the disk of the leader for good, where the others can do without it: entries are taken
   *  all the same, by another leader before long. Then its machine is healed. */
  async #followsHungLeader(): Promise<boolean> {
    const cluster = this.#cluster;
    const leader = this.#members().find((machine) => this.#leads(machine));
    const configuration = this.#evidence.committed.tip?.configuration;
    if (leader === undefined || configuration === null || configuration === undefined) return false;
    const others = this.#wholeVoters(configuration).filter((machine) => machine !== leader);
    if (!this.#isMajority(others, configuration)) return true;
    const hungMs = cluster.electionMs * 1_000;
    leader.diskQuality = { ...FAST_DISK, syncMinMs: hungMs, syncMaxMs: hungMs };
    const taken = await this.#sends();
    const leads = (): boolean =>
      this.#members().some((machine) => machine !== leader && this.#leads(machine));
    const followed = await this.#until(leads, cluster.nowMs, DEPOSED_WITHIN);
    const goesOn = taken && followed && (await this.#sends());
    if (!goesOn) return false;
    leader.kill();
    this.#calm(leader);
    return true;
  }

  #soon(holds: () => boolean): Promise<boolean> {
    return this.#until(holds, this.#cluster.nowMs, EQUAL_WITHIN);
  }

  /** Those that belong to the cluster by what is committed, before anything is: the founders. */
  #missing(): readonly Machine[] {
    const { committed, platters } = this.#evidence;
    const { machines, plan } = this.#cluster;
    const { spoiled } = budgetOf(this.#cluster);
    const members = committed.tip?.configuration?.members ?? null;
    const inForce = new Map(members?.map(({ id, incarnation }) => [id, incarnation]));
    return [...machines.values()].filter((machine) => {
      const { id, process } = machine;
      if (spoiled.has(id) || !(members === null ? id <= plan.nodes : inForce.has(id))) return false;
      if ((process?.member ?? null) === null) return true;
      return members !== null && platters.of(machine).incarnation !== inForce.get(id);
    });
  }

  /** Those that run and belong to the cluster by what is committed, spoiled or not. */
  #members(): readonly Machine[] {
    const { committed, platters } = this.#evidence;
    const members = committed.tip?.configuration?.members ?? [];
    return members.flatMap(({ id, incarnation }) => {
      const machine = this.#cluster.machines.get(id);
      if (machine === undefined || platters.of(machine).incarnation !== incarnation) return [];
      return machine.process?.member === null || machine.process === null ? [] : [machine];
    });
  }

  // ------------------------------------------------------------------------------------------

  #calmNetwork(): void {
    const { network } = this.#cluster;
    network.mendAll();
    network.resetQualities();
    network.quality = { ...CALM, loss: this.#cluster.plan.healingLoss };
  }

  #calm(machine: Machine): void {
    machine.diskQuality = FAST_DISK;
    machine.disk.faults.length = 0;
    machine.disk.capacityBytes = Number.MAX_SAFE_INTEGER;
    machine.operationsLeft = Infinity;
    machine.clockRate = 1;
    machine.life?.setRate(1);
    if (machine.life?.paused === true) machine.life.resume();
    // A sync that hangs goes on hanging, for longer than anybody waits here.
    if (this.#cluster.strikes.has("hung disk")) machine.kill();
    machine.start();
  }

  /** It leads, and what it committed is of its own term. */
  #leads({ process }: Machine): boolean {
    const core = process?.member?.core;
    return core?.role === "leader" && core.termAt(core.commitIndex) === core.term;
  }

  /** Disks and commit indexes agree, up to the end. */
  #areEqual(machines: readonly Machine[]): boolean {
    if (machines.length === 0) return false;
    const { platters } = this.#evidence;
    const tips = new Set<DurableRecord | null>();
    for (const machine of machines) {
      const member = machine.process?.member;
      const { tip } = platters.of(machine).log;
      if (member === null || member === undefined) return false;
      if (member.core.commitIndex !== (tip?.head.lastIndex ?? 0)) return false;
      tips.add(tip);
    }
    return tips.size <= 1;
  }

  async #sends(): Promise<boolean> {
    for (let probe = 0; probe < PROBES; probe++) {
      // Where datagrams are lost, or a node hears or says nothing, and sessions are few, a client
      // that began at a node far behind has to say that its session was forgotten. Whoever hears
      // that sends anew.
      const isHarsh = this.#cluster.plan.healingLoss > 0 || this.heldDown.size > 0;
      const patience = isHarsh ? EQUAL_WITHIN : 0;
      const untilMs = this.#cluster.nowMs + patience * this.#cluster.electionMs;
      while (!(await this.#sendsOnce())) if (this.#cluster.nowMs >= untilMs) return false;
    }
    return true;
  }

  async #sendsOnce(): Promise<boolean> {
    let told: boolean | null = null;
    this.#workload.probe(this.#cluster.electionMs * ELECTED_WITHIN).then(
      (isAcknowledged) => (told = isAcknowledged),
      () => (told = false),
    );
    await this.#until(() => told !== null, this.#cluster.nowMs, EQUAL_WITHIN);
    return told === true;
  }

  /** Runs until `holds`; false when it does not within so many election timeouts. */
  async #until(holds: () => boolean, fromMs: MonotonicMs, elections: number): Promise<boolean> {
    const cluster = this.#cluster;
    await cluster.run(fromMs + elections * cluster.electionMs, () => this.#stop() || holds());
    return holds();
  }

  #describe(machines: readonly Machine[]): string {
    return machines
      .map((machine) => {
        const member = machine.process?.member;
        const { lastIndex } = this.#evidence.platters.of(machine).log;
        if (member === null || member === undefined)
          return `${machine.id} ${machine.running ? "is no member" : `is down (${JSON.stringify(machine.ended)})`}`;
        const { role, term, leader, commitIndex, mute } = member.core.status();
        const why = mute === null ? "" : ` mute: ${mute}`;
        return `${machine.id} ${role} of term ${term} under ${leader ?? "nobody"}, log ${lastIndex}, committed ${commitIndex}${why}`;
      })
      .join("; ");
  }
}

function shuffled<T>(random: Random, list: readonly T[]): T[] {
  const all = [...list];
  for (let at = all.length - 1; at > 0; at--) {
    const other = between(random, 0, at);
    const [a, b] = [all[at], all[other]];
    if (a !== undefined && b !== undefined) [all[at], all[other]] = [b, a];
  }
  return all;
}
