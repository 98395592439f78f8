/** `raft up --local N`: N nodes, one process each, in one terminal. Their lines are told here,
 *  once each, with the node's number in front. They end when this process ends, however it ends. */

import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { MEMBERS_MAX } from "../base/limits.ts";
import type { NodeId, WallMs } from "../base/types.ts";
import type { NodeEvent } from "../node/events.ts";
import type { CommandContext } from "./command.ts";
import { CommandError, type ExitCode } from "./exit-codes.ts";
import type { Hints } from "./hints.ts";
import { foundersIn, heldBy } from "./local-nodes.ts";
import { createNarrator, readyLine, type Narrator } from "./narrate.ts";
import { parseEventLine } from "./up-child.ts";
import { CHILD_VARIABLE, type LocalSettings } from "./up-settings.ts";
import { nodesText, numberWord, timeOfDay } from "./wording.ts";

/** What several nodes say of one happening within this time is told once. */
const SAME_HAPPENING_MS = 5_000;
/** Nodes that start together have met within this time. */
const STARTING_MS = 3_000;
/** Sentences that are remembered for that. */
const TOLD_MAX = 1_000;
/** Nodes that were asked to stop hand over and sync; after this they are ended. */
const STOP_MS = 5_000;

/** Starts the nodes that do not run yet; ends when all of them have ended. */
export async function runLocal(
  settings: LocalSettings,
  context: CommandContext,
): Promise<ExitCode> {
  const { terminal, signal } = context;
  refuseOtherSize(settings);
  const ids = Array.from({ length: settings.count }, (_, at) => at + 1);
  const running = ids.filter((id) => heldBy(settings.directoryOf(id)) !== null);
  const missing = ids.filter((id) => !running.includes(id));
  if (missing.length === 0) {
    terminal.say(
      `${nodesText(ids)} of cluster ${settings.cluster} run${ids.length === 1 ? "s" : ""} here already: ${settings.hints.command("status")}`,
    );
    return 0;
  }
  const teller = new LocalTeller(settings.hints, settings.cluster, missing, (line) =>
    terminal.say(line),
  );
  const children = missing.map((id) => startChild(id, settings, context, teller));
  const stop = (): void => {
    teller.stopping();
    for (const { process: child } of children) child.stdin?.end();
    context.clock.after(STOP_MS, () => {
      for (const { process: child } of children) child.kill("SIGKILL");
    });
  };
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  const codes = await Promise.all(children.map(({ exit }) => exit));
  const worst = codes.find((code) => code !== 0);
  if (worst === undefined || signal.aborted) return 0;
  throw new CommandError("", worst);
}

/** A cluster of another size is not gone on with by mistake: its nodes would take the new ones for
 *  strangers. Throws a CommandError (exit 8). */
export function refuseOtherSize({ count, cluster, hints, directoryOf }: LocalSettings): void {
  for (let id = 1; id <= MEMBERS_MAX; id += 1) {
    const founders = foundersIn(directoryOf(id));
    if (founders === null) continue;
    const isLocal = founders.every((founder, at) => founder === at + 1);
    if (isLocal && founders.length === count) return;
    const size = founders.length;
    const goOn = isLocal ? hints.forLocal(size).up(1) : null;
    const lines = [
      `there is a cluster ${cluster} of ${numberWord(size)} here already (${nodesText(founders)})`,
      ...(goOn === null ? [] : [`  go on with it:     ${goOn}`]),
      `  another beside it: ${hints.executable} up --local ${count} --cluster NAME`,
      `  begin anew:        ${hints.wipe(id)}, and so for each of its nodes`,
    ];
    throw new CommandError(lines.join("\n"), 8);
  }
}

interface Child {
  readonly process: ChildProcess;
  readonly exit: Promise<ExitCode>;
}

function startChild(
  id: NodeId,
  settings: LocalSettings,
  context: CommandContext,
  teller: LocalTeller,
): Child {
  const [command = "", ...first] = context.selfCommand;
  const flags = [
    `--id=${id}`,
    `--size=${settings.count}`,
    `--cluster=${settings.cluster}`,
    `--data-dir=${settings.directoryOf(id)}`,
    ...settings.passedOn,
  ];
  const child = spawn(command, [...first, "up", ...flags], {
    argv0: context.executable,
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...context.machine.environment, [CHILD_VARIABLE]: String(process.pid) },
    // Ctrl-C reaches the parent only, which then ends its children in order.
    detached: true,
  });
  child.stdin.on("error", () => undefined);
  createInterface({ input: child.stdout }).on("line", (line) => {
    const told = parseEventLine(line);
    if (told === null) teller.line(id, line);
    else teller.event(id, told.event, told.wallMs);
  });
  createInterface({ input: child.stderr }).on("line", (line) => teller.line(id, line));
  const exit = new Promise<ExitCode>((resolve) => {
    child.on("error", (error) => {
      teller.line(id, `cannot be started: ${error.message}`);
      resolve(1);
    });
    child.on("close", (code, signal) => {
      if (signal !== null && !context.signal.aborted) teller.line(id, `has ended (${signal})`);
      resolve(code === null ? 0 : (code as ExitCode));
    });
  });
  return { process: child, exit };
}

/** Turns the events of several nodes into lines. Pure but for `say`. */
export class LocalTeller {
  readonly #hints: Hints;
  readonly #say: (line: string) => void;
  readonly #narrators: ReadonlyMap<NodeId, Narrator>;
  readonly #toldMs = new Map<string, WallMs>();
  readonly #ready = new Set<NodeId>();
  #firstMs: WallMs | null = null;
  #saidReady = false;
  #stopping = false;

  constructor(hints: Hints, cluster: string, ids: readonly NodeId[], say: (line: string) => void) {
    this.#hints = hints;
    this.#say = say;
    this.#narrators = new Map(ids.map((id) => [id, createNarrator(id, cluster, hints)]));
  }

  /** From now on the nodes' losing each other is no news. */
  stopping(): void {
    this.#stopping = true;
  }

  /** A line that a node wrote as it is. */
  line(id: NodeId, line: string): void {
    this.#say(`${id} | ${line}`);
  }

  event(id: NodeId, event: NodeEvent, wallMs: WallMs): void {
    this.#firstMs ??= wallMs;
    if (event.type === "ready") {
      this.#becomeReady(id, wallMs);
      return;
    }
    if (this.#isNoNews(event, wallMs)) return;
    const text = this.#narrators.get(id)?.(event, wallMs) ?? null;
    if (text === null) return;
    if (event.type !== "stopping" && this.#isToldByAnother(text, wallMs)) return;
    for (const line of text.split("\n")) this.line(id, line);
  }

  #becomeReady(id: NodeId, wallMs: WallMs): void {
    this.#ready.add(id);
    if (this.#saidReady || this.#ready.size < this.#narrators.size) return;
    this.#saidReady = true;
    this.#say(`${timeOfDay(wallMs)}  ${readyLine(this.#hints)}`);
  }

  /** All start at once and end at once: waiting for those that are about to come, and missing
   *  those that were told to go, would be told N times. */
  #isNoNews(event: NodeEvent, wallMs: WallMs): boolean {
    if (this.#stopping) return !["stopping", "stopped by"].includes(event.type);
    const waits = event.type === "waiting" || event.type === "waiting for quorum";
    return waits && wallMs - (this.#firstMs ?? wallMs) < STARTING_MS;
  }

  /** Every member tells of the founding and of the leader; one of them is enough. */
  #isToldByAnother(text: string, wallMs: WallMs): boolean {
    const happening = text.replace(/^\d\d:\d\d:\d\d {2}/, "").replace(/ \(votes: .*\)$/, "");
    const toldMs = this.#toldMs.get(happening);
    if (this.#toldMs.size >= TOLD_MAX) this.#toldMs.clear();
    this.#toldMs.set(happening, wallMs);
    return toldMs !== undefined && Math.abs(wallMs - toldMs) < SAME_HAPPENING_MS;
  }
}
