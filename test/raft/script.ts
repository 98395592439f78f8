/** The language of the transcripts: one command a line, what happened below it.
 *
 *    cluster 1 2 3 [learners 4] [outsiders 5]     log 1: 1 1 4     term 1: 7        (before `start`)
 *    start
 *    timeout N            time passes until N's election timeout is over, and N notices
 *    tick N               N's next deadline comes
 *    pass MS              time passes, nobody notices
 *    run MS               everybody runs, everything is delivered; heartbeats are not written down
 *    cut A->B | heal      from now on messages there vanish; no longer
 *    deliver [A->B] [TYPE] [one]   delivers what is under way there, with what it causes if no filter is given
 *    drop | double [A->B] [TYPE]
 *    hold A->B [TYPE] | release     keeps messages back; lets them go, oldest first
 *    propose N [ENTRIES]     read N ID     transfer N M     change N promote|demote|remove M | addLearner M
 *    disk N slow | fast      write N        vote-write N        crash N        restart N
 *    status                                                                                       */

import type { NodeId } from "../../src/base/types.ts";
import { Cluster } from "./cluster.ts";
import { renderMessage } from "./render.ts";
import type { Envelope } from "./test-node.ts";

/** Runs a transcript and gives it back with what happens now. Lines that begin with two spaces are
 *  output. */
export function runTranscript(text: string): string {
  const script = new Script();
  const out: string[] = [];
  for (const line of text.split("\n")) {
    if (line.startsWith("  ")) continue;
    out.push(line);
    if (line.trim() === "" || line.startsWith("#")) continue;
    out.push(...script.run(line.trim().split(/\s+/)).map((result) => `  ${result}`));
  }
  return `${out.join("\n").trimEnd()}\n`;
}

class Script {
  readonly #lines: string[] = [];
  readonly #setup = { voters: [] as NodeId[], learners: [] as NodeId[], outsiders: [] as NodeId[] };
  readonly #logs: Record<number, number[]> = {};
  readonly #terms: Record<number, number> = {};
  #cluster: Cluster | null = null;
  #held: Envelope[] = [];
  #cuts: readonly string[] = [];

  run(words: readonly string[]): readonly string[] {
    this.#lines.length = 0;
    const [command = "", ...rest] = words;
    try {
      if (this.#cluster === null) this.#prepare(command, rest);
      else this.#obey(this.#cluster, command, rest);
    } catch (error) {
      this.#lines.push(String(error));
    }
    return [...this.#lines];
  }

  #prepare(command: string, words: readonly string[]): void {
    if (command === "cluster") {
      let list = this.#setup.voters;
      for (const word of words) {
        if (word === "learners") list = this.#setup.learners;
        else if (word === "outsiders") list = this.#setup.outsiders;
        else list.push(Number(word));
      }
    } else if (command === "log" || command === "term") {
      const [id = 0, ...terms] = words.map((word) => Number.parseInt(word, 10));
      if (command === "log") this.#logs[id] = terms;
      else this.#terms[id] = terms[0] ?? 0;
    } else if (command === "start") {
      const trace = (line: string): void => void this.#lines.push(line);
      this.#cluster = new Cluster({ ...this.#setup, logs: this.#logs, terms: this.#terms, trace });
    } else {
      throw new Error(`"${command}" before "start"`);
    }
  }

  #obey(cluster: Cluster, command: string, words: readonly string[]): void {
    const id = Number(words[0]);
    switch (command) {
      case "timeout":
        return cluster.timeout(id);
      case "tick":
        return cluster.tickNext(id);
      case "pass":
        return cluster.pass(id);
      case "run":
        cluster.run(id, (envelope) => this.#isCut(envelope));
        this.#lines.splice(
          0,
          Infinity,
          ...this.#lines.filter((line) => !/ heartbeat(Reply)? /.test(line)),
        );
        return;
      case "cut":
        this.#cuts = [...this.#cuts, ...words];
        return;
      case "heal":
        this.#cuts = [];
        return;
      case "deliver":
      case "drop":
      case "double":
      case "hold":
      case "release":
        return this.#carry(cluster, command, words);
      case "status":
        return this.#status(cluster);
      case "disk":
        cluster.node(id).autoDisk = words[1] === "fast";
        return;
      case "write":
        return cluster.finishLogWrite(id);
      case "vote-write":
        return cluster.finishHardWrite(id);
      case "crash":
        return cluster.crash(id);
      case "restart":
        return cluster.restart(id);
      default:
        return this.#ask(cluster, command, id, words.slice(1));
    }
  }

  #ask(cluster: Cluster, command: string, id: NodeId, words: readonly string[]): void {
    const other = Number(words[0]);
    if (command === "propose") {
      const entries = words[0] === undefined ? 1 : other;
      const index = cluster.propose(id, entries);
      this.#lines.push(index === null ? "refused" : `proposed at ${index}`);
    } else if (command === "read") {
      if (!cluster.read(id, other)) this.#lines.push("refused");
    } else if (command === "transfer") {
      this.#lines.push(cluster.transfer(id, other));
    } else if (command === "change") {
      const type = words[0];
      const member = Number(words[1]);
      const problem =
        type === "addLearner"
          ? cluster.change(id, { type, id: member, incarnation: `i${member}` })
          : cluster.change(id, { type: type as "promote" | "demote" | "remove", id: member });
      if (problem !== null) this.#lines.push(problem);
    } else {
      throw new Error(`no command "${command}"`);
    }
  }

  #carry(cluster: Cluster, command: string, words: readonly string[]): void {
    const matches = filterOf(words);
    switch (command) {
      case "deliver":
        if (words.length === 0) return cluster.deliverAll((envelope) => this.#isCut(envelope));
        for (const envelope of takeSome(cluster, matches, words.includes("one")))
          cluster.deliver(envelope);
        return;
      case "double":
        for (const envelope of cluster.network.filter(matches)) {
          cluster.network.push(envelope);
          this.#lines.push(`doubled ${renderEnvelope(envelope)}`);
        }
        return;
      case "release":
        cluster.network.push(...this.#held);
        this.#held = [];
        return;
      default: {
        const taken = cluster.drop(matches);
        if (command === "hold") this.#held.push(...taken);
        const verb = command === "hold" ? "held" : "dropped";
        this.#lines.push(...taken.map((envelope) => `${verb} ${renderEnvelope(envelope)}`));
      }
    }
  }

  #isCut(envelope: Envelope): boolean {
    return this.#cuts.some((link) => filterOf([link])(envelope));
  }

  #status(cluster: Cluster): void {
    for (const node of cluster.nodes.values()) {
      if (!node.up) {
        this.#lines.push(`${node.id} is down`);
        continue;
      }
      const { role, term, votedFor, leader, commitIndex, durableIndex } = node.core.status();
      this.#lines.push(
        `${node.id} ${role} term ${term} vote ${votedFor?.id ?? "-"} leader ${leader ?? "-"} ` +
          `log [${cluster.terms(node.id).join(" ")}] durable ${durableIndex} commit ${commitIndex}`,
      );
    }
  }
}

function takeSome(
  cluster: Cluster,
  matches: (envelope: Envelope) => boolean,
  one: boolean,
): readonly Envelope[] {
  if (!one) return cluster.drop(matches);
  const first = cluster.network.find(matches);
  return first === undefined ? [] : cluster.drop((envelope) => envelope === first);
}

/** "1->2", "*->2" and a message type, in any order. */
function filterOf(words: readonly string[]): (envelope: Envelope) => boolean {
  const link = words.find((word) => word.includes("->"))?.split("->") ?? ["*", "*"];
  const type = words.find((word) => !word.includes("->") && word !== "one");
  const [from = "*", to = "*"] = link;
  return (envelope) =>
    (from === "*" || envelope.from.id === Number(from)) &&
    (to === "*" || envelope.to === Number(to)) &&
    (type === undefined || envelope.message.type === type);
}

function renderEnvelope(envelope: Envelope): string {
  return `${envelope.from.id}->${envelope.to} ${renderMessage(envelope.message)}`;
}
