/** The whole space of three founders' foundings: every order of datagrams, late and lost ones,
 *  restarts and wipes, over the production Formation.
 *
 *  A world is three machines, each interned as a number, and what is left to happen. Formation runs
 *  once for each pair of a machine and an input; the search itself is over four numbers. Worlds
 *  that differ only in who is called 1, 2 and 3 are one: no rule looks at an id but to sort. */

import type { FoundingRecord, NodeId } from "../../src/base/types.ts";
import { foundingRecord } from "../../src/node/formation-record.ts";
import type { FormationOrder } from "../../src/node/formation.ts";
import { Formation } from "../../src/node/formation.ts";
import type { FormationObstacle } from "../../src/node/formation-view.ts";
import { CLUSTER, helloOf } from "./formation-world.ts";

export const IDS: readonly NodeId[] = [1, 2, 3];
const LETTERS = "abc";
export const PERMUTATIONS: readonly (readonly number[])[] = [
  [0, 1, 2],
  [0, 2, 1],
  [1, 0, 2],
  [1, 2, 0],
  [2, 0, 1],
  [2, 1, 0],
];

/** A founding record as the generations of its directories in order of their ids: "aba". */
type Generations = string;

/** A hello of a process: what formation looks at. */
interface Said {
  readonly id: NodeId;
  readonly generation: number;
  readonly boots: number;
  readonly record: Generations | null;
  readonly member: boolean;
}

/** A directory, the process in it, and the datagrams under way to that process. */
interface Machine {
  readonly id: NodeId;
  /** How often its directory was wiped. */
  readonly generation: number;
  readonly boots: number;
  readonly record: Generations | null;
  readonly writing: Generations | null;
  readonly member: boolean;
  readonly processes: readonly Said[];
  readonly signers: readonly NodeId[];
  /** Hellos said to this process that are no longer what their sender would say: each may arrive
   *  at any time, again and again, or never. Sorted. */
  readonly mail: readonly Said[];
}

/** What became of a machine after one input. */
export interface Outcome {
  readonly machine: number;
  /** The record under which it became a member by that, or null. */
  readonly founded: Generations | null;
}

/** What the machines of a world have in common. */
export interface Rest {
  /** Every directory that has ever been a member, with its record: "aba2". Sorted. */
  readonly memberships: readonly string[];
  readonly wipesLeft: number;
  readonly crashesLeft: number;
}

/** Values by number and numbers by value. */
class Interned<T> {
  readonly values: T[] = [];
  readonly #numbers = new Map<string, number>();
  readonly #text: (value: T) => string;

  constructor(text: (value: T) => string) {
    this.#text = text;
  }

  number(value: T): number {
    const text = this.#text(value);
    const known = this.#numbers.get(text);
    if (known !== undefined) return known;
    const number = this.values.length;
    this.values.push(value);
    this.#numbers.set(text, number);
    return number;
  }
}

/** A function of one or two numbers, remembered. */
class Remembered<T> {
  readonly #known = new Map<number, T>();

  get(a: number, b: number, make: () => T): T {
    const key = a * 2 ** 24 + b;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const made = make();
    this.#known.set(key, made);
    return made;
  }
}

export class FoundingSpace {
  readonly machines = new Interned<Machine>(machineText);
  readonly saids = new Interned<Said>(saidText);
  readonly rests = new Interned<Rest>(restText);
  /** How often the production code was asked. */
  asked = 0;
  readonly #heard = new Remembered<Outcome>();
  readonly #synced = new Remembered<Outcome>();
  readonly #lost = new Remembered<Outcome>();
  readonly #crashed = new Remembered<Outcome>();
  readonly #mailed = new Remembered<number>();
  readonly #saidNow: number[] = [];
  readonly #alone: (readonly Outcome[])[] = [];
  readonly #permuted: (readonly number[])[] = [];
  readonly #permutedRest: (readonly number[])[] = [];
  readonly #obstacles = new Remembered<readonly FormationObstacle["type"][]>();
  /** Looser: who has signed counts as a member. For proving that the search can fail. */
  readonly #signedIsEnough: boolean;

  constructor(signedIsEnough = false) {
    this.#signedIsEnough = signedIsEnough;
  }

  /** Fresh directories, just started. */
  fresh(): readonly [number, number, number] {
    const made = IDS.map((id) => this.#boot({ id, generation: 0, boots: 1 }, null, false).machine);
    return [made[0]!, made[1]!, made[2]!];
  }

  machine(number: number): Machine {
    return this.machines.values[number]!;
  }

  /** What the process of a machine says of itself now. */
  said(machine: number): number {
    const known = this.#saidNow[machine];
    if (known !== undefined) return known;
    const { id, generation, boots, record, member } = this.machine(machine);
    const made = this.saids.number({ id, generation, boots, record, member });
    this.#saidNow[machine] = made;
    return made;
  }

  heard(machine: number, said: number): Outcome {
    return this.#heard.get(machine, said, () =>
      this.#run(machine, (formation) => {
        return formation.heard(helloOfSaid(this.saids.values[said]!), true);
      }),
    );
  }

  /** The record under way is durable. */
  synced(machine: number): Outcome {
    return this.#synced.get(machine, 0, () =>
      this.#run(machine, (formation) => formation.recordSynced()),
    );
  }

  /** The conversation with the process that said this has ended: nothing of it arrives any more. */
  lost(machine: number, said: number): Outcome {
    return this.#lost.get(machine, said, () => {
      const { id, generation, boots } = this.saids.values[said]!;
      const before = this.machine(machine);
      const mail = before.mail.filter(
        (other) => other.id !== id || other.generation !== generation || other.boots !== boots,
      );
      const without = this.#number({ ...before, mail });
      return this.#run(without, (formation) => formation.lost(bootIdOf(this.saids.values[said]!)));
    });
  }

  /** The process ends and the next one starts. `kept`: a record under way had reached the disk. */
  crashed(machine: number, how: "kept" | "not kept" | "wiped"): Outcome {
    return this.#crashed.get(machine, CRASHES.indexOf(how), () => {
      const { id, generation, boots, record, writing, member } = this.machine(machine);
      if (how === "wiped")
        return this.#boot({ id, generation: generation + 1, boots: 1 }, null, false);
      const disk = how === "kept" ? (writing ?? record) : record;
      return this.#boot({ id, generation, boots: boots + 1 }, disk, member);
    });
  }

  /** With one more hello on its way. */
  mailed(machine: number, said: number): number {
    return this.#mailed.get(machine, said, () => {
      const before = this.machine(machine);
      const one = this.saids.values[said]!;
      if (before.mail.some((other) => saidText(other) === saidText(one))) return machine;
      return this.#number({ ...before, mail: sorted([...before.mail, one]) });
    });
  }

  /** Everything that may happen to a machine by itself: its write ends, something late arrives, a
   *  conversation ends. Without what changes nothing. */
  alone(machine: number): readonly Outcome[] {
    const known = this.#alone[machine];
    if (known !== undefined) return known;
    const { writing, mail, processes } = this.machine(machine);
    const made = [
      ...(writing === null ? [] : [this.synced(machine)]),
      ...mail.map((said) => this.heard(machine, this.saids.number(said))),
      ...processes.map((said) => this.lost(machine, this.saids.number(said))),
    ].filter((outcome) => outcome.machine !== machine || outcome.founded !== null);
    this.#alone[machine] = made;
    return made;
  }

  /** The machine under other ids: six numbers, for each of PERMUTATIONS. */
  permuted(machine: number): readonly number[] {
    const known = this.#permuted[machine];
    if (known !== undefined) return known;
    const before = this.machine(machine);
    const made = PERMUTATIONS.map((to) =>
      this.#number({
        ...permuteSaid(before, to),
        writing: permuteRecord(before.writing, to),
        processes: before.processes.map((said) => permuteSaid(said, to)),
        signers: before.signers.map((id) => to[id - 1]! + 1).sort((a, b) => a - b),
        mail: before.mail.map((said) => permuteSaid(said, to)),
      }),
    );
    this.#permuted[machine] = made;
    return made;
  }

  permutedRest(rest: number): readonly number[] {
    const known = this.#permutedRest[rest];
    if (known !== undefined) return known;
    const before = this.rests.values[rest]!;
    const made = PERMUTATIONS.map((to) => {
      const memberships = before.memberships.map((membership) => {
        const id = to[Number(membership[3]) - 1]! + 1;
        return `${permuteRecord(membership.slice(0, 3), to)}${id}`;
      });
      return this.rests.number({ ...before, memberships: memberships.sort() });
    });
    this.#permutedRest[rest] = made;
    return made;
  }

  /** The rest after node `id` became a member under a record. */
  joined(rest: number, record: Generations, id: NodeId): number {
    const before = this.rests.values[rest]!;
    const membership = `${record}${id}`;
    if (before.memberships.includes(membership)) return rest;
    const memberships = [...before.memberships, membership].sort();
    return this.rests.number({ ...before, memberships });
  }

  /** What the node of that machine tells people when it hears these two, and nothing follows. */
  obstacles(machine: number, others: readonly number[]): readonly FormationObstacle["type"][] {
    const [a = 0, b = 0] = others;
    return this.#obstacles.get(machine, a * 4_096 + b, () => {
      const formation = formationOf(this.machine(machine));
      for (const said of others) formation.heard(helloOfSaid(this.saids.values[said]!), true);
      return formation.view().obstacles.map(({ type }) => type);
    });
  }

  /** For failures: the machines in words. */
  render(machines: readonly number[]): string {
    return machines.map((machine) => machineText(this.machine(machine))).join(" | ");
  }

  #number(machine: Machine): number {
    return this.machines.number(normal(machine));
  }

  #boot(
    who: Pick<Machine, "id" | "generation" | "boots">,
    record: Generations | null,
    member: boolean,
  ): Outcome {
    const idle = { writing: null, processes: [], signers: [], mail: [] };
    const machine = this.#number({ ...who, ...idle, record, member });
    return this.#run(machine, (formation) => formation.start());
  }

  #run(number: number, act: (formation: Formation) => readonly FormationOrder[]): Outcome {
    this.asked += 1;
    const before = this.machine(number);
    const formation = formationOf(before);
    const orders = act(formation);
    const became = orders.some((order) => order.type === "becomeMember");
    const record = generationsOf(formation.record);
    const founded = became || (this.#signedIsEnough && record !== null) ? record : null;
    const machine = this.#number({
      ...before,
      record,
      writing: generationsOf(formation.writing),
      member: formation.member,
      processes: processesOf(formation),
      signers: [...formation.signers].sort((a, b) => a - b),
    });
    return { machine, founded };
  }
}

const CRASHES = ["kept", "not kept", "wiped"] as const;

/** The production object that stands where this machine does. */
function formationOf(machine: Machine): Formation {
  const formation = new Formation({
    cluster: CLUSTER,
    id: machine.id,
    incarnation: incarnationOf(machine.id, machine.generation),
    founders: IDS,
    record: recordOf(machine.record),
    member: machine.member,
  });
  formation.writing = recordOf(machine.writing);
  for (const said of machine.processes)
    formation.processes.set(bootIdOf(said), { hello: helloOfSaid(said), met: true });
  for (const id of machine.signers) formation.signers.add(id);
  return formation;
}

function processesOf(formation: Formation): readonly Said[] {
  return [...formation.processes.values()].map(({ hello }): Said => {
    const generation = LETTERS.indexOf(hello.incarnation.slice(1));
    const record = generationsOf(hello.founding);
    return { id: hello.id, generation, boots: hello.bootCount, record, member: hello.member };
  });
}

/** Without what can never decide anything any more, so that worlds with one future are one world.
 *
 *  - A member hears nothing that would change it.
 *  - Who has a record, or writes one, looks only at records: at another's that differs, and at its
 *    own shown by a member or by a founder who is not yet among the signers.
 *  - Who waits takes a record that names it as soon as it is shown, so the order of its processes
 *    decides nothing, and a hello that is not newer than what is known of that process nothing
 *    either. */
function normal(machine: Machine): Machine {
  if (machine.member) return { ...machine, processes: [], signers: [], mail: [] };
  const { processes, mail, signers } = machine;
  const own = machine.record ?? machine.writing;
  if (own === null) {
    const news = mail.filter((said) => !processes.some((known) => isKnown(said, known)));
    return { ...machine, processes: sorted(processes), mail: sorted(news) };
  }
  const counts = ({ id, record, member }: Said): boolean =>
    record !== null && (record !== own || member || !signers.includes(id));
  return {
    ...machine,
    processes: sorted(processes.filter(counts)),
    mail: sorted(mail.filter(counts)),
  };
}

function isKnown(said: Said, known: Said): boolean {
  if (bootIdOf(said) !== bootIdOf(known)) return false;
  return (said.record === null || known.record !== null) && (!said.member || known.member);
}

function incarnationOf(id: NodeId, generation: number): string {
  return `${id}${LETTERS[generation]}`;
}

function bootIdOf({ id, generation, boots }: Pick<Said, "id" | "generation" | "boots">): string {
  return `${incarnationOf(id, generation)}.${boots}`;
}

function helloOfSaid(said: Said): ReturnType<typeof helloOf> {
  return helloOf({
    id: said.id,
    incarnation: incarnationOf(said.id, said.generation),
    bootId: bootIdOf(said),
    bootCount: said.boots,
    founding: recordOf(said.record),
    member: said.member,
    met: IDS.filter((id) => id !== said.id).map((id) => ({ id, incarnation: `${id}a` })),
  });
}

const records = new Map<Generations, FoundingRecord>();

function recordOf(generations: Generations | null): FoundingRecord | null {
  if (generations === null) return null;
  const known = records.get(generations);
  if (known !== undefined) return known;
  const founders = IDS.map((id) => ({ id, incarnation: `${id}${generations[id - 1]}` }));
  const made = foundingRecord(CLUSTER, founders);
  records.set(generations, made);
  return made;
}

function generationsOf(record: FoundingRecord | null): Generations | null {
  return record === null ? null : record.founders.map(({ incarnation }) => incarnation[1]).join("");
}

function permuteSaid<T extends Said | Machine>(said: T, to: readonly number[]): T {
  return { ...said, id: to[said.id - 1]! + 1, record: permuteRecord(said.record, to) };
}

function permuteRecord(record: Generations | null, to: readonly number[]): Generations | null {
  if (record === null) return null;
  const made = ["", "", ""];
  for (let at = 0; at < 3; at++) made[to[at]!] = record[at]!;
  return made.join("");
}

function sorted(saids: readonly Said[]): readonly Said[] {
  return [...saids].sort((a, b) => (saidText(a) < saidText(b) ? -1 : 1));
}

function saidText(said: Said): string {
  return `${bootIdOf(said)}${said.record ?? "-"}${said.member ? "m" : ""}`;
}

function machineText(machine: Machine): string {
  const { record, writing, member, processes, signers, mail } = machine;
  const holds = `${record ?? "-"}${writing === null ? "" : `>${writing}`}${member ? "m" : ""}`;
  const heard = processes.map(saidText).join(",");
  return `${bootIdOf(machine)} ${holds} [${heard}] ${signers.join("")} <${mail.map(saidText).join(",")}>`;
}

function restText({ memberships, wipesLeft, crashesLeft }: Rest): string {
  return `${memberships.join()} ${wipesLeft} ${crashesLeft}`;
}
