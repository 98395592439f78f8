/** How a command fails, in sentences: what was tried, who answered, what to do next. Pure. */

import type { NodeId, WallMs } from "../base/types.ts";
import { HASTY_MS } from "../client/failures.ts";
import type { HeardCluster, NobodyAnswers } from "../client/types.ts";
import type { Hints } from "./hints.ts";
import { CLIENT_TIMEOUT_MS } from "./settings.ts";
import { shellQuote, dayAndTime, entriesText, listOf, nodesText } from "./wording.ts";

/** What most commands wait unless told otherwise. */
const PATIENT_SECONDS = CLIENT_TIMEOUT_MS / 1_000;
/** Characters of a word that is repeated in a hint. */
const WORD_SHOWN_MAX = 200;

/** A node of the wanted cluster whose data lies on this machine. */
export interface LocalNode {
  readonly id: NodeId;
  readonly running: boolean;
  /** Where its data is, as it is typed here; null: in the usual place. */
  readonly directory: string | null;
  /** null: not readable now. */
  readonly entries: number | null;
  readonly lastUsedMs: WallMs | null;
}

/** The fifth state: nobody answers (exit 3). `typed`: the words after the executable; `wanted`: the
 *  node that they are about. */
export function nobodyAnswersText(
  nobody: NobodyAnswers,
  here: readonly LocalNode[],
  typed: readonly string[],
  hints: Hints,
  wanted: NodeId | null = null,
): string {
  const lines = [`nobody answers for cluster ${nobody.cluster}`];
  const where = nobody.interfaces.length === 0 ? "" : `on ${listOf(nobody.interfaces)}, `;
  const shouted = nobody.ways.filter((way) => way === "multicast" || way === "broadcast");
  const asked = nobody.ways.length > shouted.length ? "at the addresses that are known, " : "";
  const ways = shouted.length === 0 ? asked : `by ${listOf(shouted)}, ${asked}`;
  lines.push(field("asked", `${where}${ways}for ${secondsText(nobody.seconds)}`));
  const others = nobody.heard.filter(
    (heard) => heard.cluster !== nobody.cluster || heard.keyDiffers,
  );
  if (others.length > 0) lines.push(field("heard", others.map(heardText).join(", ")));
  lines.push(...here.map((node) => field("here", localNodeText(node, nobody.cluster))));
  lines.push(field("next", nextSteps(nobody, here, typed, hints, wanted).join("     ")));
  return lines.join("\n");
}

/** "2.0 s"; what is less than a tenth was probably meant as seconds, so it is said in full. */
function secondsText(seconds: number): string {
  return seconds < 0.1 ? `${Math.round(seconds * 1_000)} ms` : `${seconds.toFixed(1)} s`;
}

function field(name: string, text: string): string {
  return `  ${name.padEnd(8)}${text}`;
}

function heardText(heard: HeardCluster): string {
  const name = heard.keyDiffers ? `${heard.cluster} with another key` : heard.cluster;
  if (heard.leader !== null) {
    const { id, userHost } = heard.leader;
    return `${name} (leader ${userHost === "" ? `node ${id}` : userHost})`;
  }
  if (heard.waitingFor.length > 0) return `${name} (waiting for ${nodesText(heard.waitingFor)})`;
  return `${name} (no leader)`;
}

function localNodeText(node: LocalNode, cluster: string): string {
  const used = node.lastUsedMs === null ? "" : `, last used ${dayAndTime(node.lastUsedMs)}`;
  const where = node.directory === null ? "" : ` in ${node.directory}`;
  const held =
    node.entries === null ? "" : `; its data${where}: ${entriesText(node.entries)}${used}`;
  return `node ${node.id} of ${cluster} is ${node.running ? "running and does not answer" : "not running"}${node.running ? "" : held}`;
}

function nextSteps(
  nobody: NobodyAnswers,
  here: readonly LocalNode[],
  typed: readonly string[],
  hints: Hints,
  wanted: NodeId | null,
): readonly string[] {
  const stopped = here.find((node) => !node.running && node.id === (wanted ?? node.id));
  const steps: string[] = [];
  const isHasty = nobody.seconds * 1_000 < HASTY_MS;
  // Whoever was not waited for may well run.
  if (isHasty) {
    const { flags, words } = typedAgain(typed, "--timeout");
    steps.push(`more time: ${hints.command(`${flags} --timeout ${PATIENT_SECONDS}s`, words)}`);
  }
  if (stopped !== undefined) steps.push(`start it: ${startText(stopped, hints)}`);
  else if (!isHasty && wanted !== null && !here.some((node) => node.id === wanted))
    steps.push(`start it, on its machine: ${hints.up(wanted)}`);
  else if (!isHasty && here.length === 0) steps.push(`start one: ${hints.up(1)}`);
  const other = nobody.heard.find((heard) => heard.cluster !== nobody.cluster);
  const sameName = nobody.heard.find(
    (heard) => heard.cluster === nobody.cluster && heard.keyDiffers,
  );
  if (sameName !== undefined) steps.push("its key differs: copy the same raft.key to both");
  if (other !== undefined) {
    const { flags, words } = typedAgain(typed, "--cluster");
    steps.push(
      `another name: ${hints.executable} ${flags} --cluster ${shellQuote(other.cluster)}${words}`,
    );
  }
  const { flags, words } = typedAgain(typed, "--peers");
  steps.push(`an address: ${hints.executable} ${flags}${hints.clusterFlag} --peers HOST${words}`);
  return steps;
}

/** What was typed, to be typed again with that flag and the cluster's set anew: they go between the
 *  two parts. */
function typedAgain(
  typed: readonly string[],
  flag: "--timeout" | "--cluster" | "--peers",
): { readonly flags: string; readonly words: string } {
  const end = typed.includes("--") ? typed.indexOf("--") : typed.length;
  const kept: string[] = [];
  for (let at = 0; at < end; at += 1) {
    const word = typed[at] ?? "";
    if (word === flag || word === "--cluster") at += 1;
    else if (!word.startsWith(`${flag}=`) && !word.startsWith("--cluster=")) kept.push(word);
  }
  const shown = (words: readonly string[]): string => words.map(wordAgain).join(" ");
  return { flags: shown(kept), words: end < typed.length ? ` ${shown(typed.slice(end))}` : "" };
}

/** Only an entry can be so long that it would bury the hint. */
function wordAgain(word: string): string {
  return word.length > WORD_SHOWN_MAX ? "ENTRY" : shellQuote(word);
}

function startText({ id, directory }: LocalNode, hints: Hints): string {
  return hints.up(id, directory === null ? {} : { more: ` --data-dir ${directory}` });
}

/** The same for programs. */
export function nobodyAnswersJson(nobody: NobodyAnswers): Record<string, unknown> {
  return {
    error: "nobody answers",
    cluster: nobody.cluster,
    heard: [...new Set(nobody.heard.map((heard) => heard.cluster))],
  };
}

/** An outcome that nobody can tell now (exit 5), with the line that finishes it without adding
 *  it twice. `again`: what was to be sent, as it is typed. */
export function unknownOutcomeText(
  message: string,
  requestId: string | null,
  again: string,
  hints: Hints,
): string {
  const reason = message.startsWith("unknown") ? message : `unknown: ${message}`;
  if (requestId === null) return reason;
  const repeat = `${hints.command("send")} --request-id ${shellQuote(requestId)} ${again}`;
  return `${reason.replace(/\.?$/, ".")} To finish it without adding it twice:\n${repeat}`;
}

/** Entries as the words of a command. */
export function entriesTyped(entries: readonly string[]): string {
  const needsDashes = entries.some((entry) => entry.startsWith("-"));
  const words = entries.map((entry) => quotedEntry(entry)).join(" ");
  return `${needsDashes ? "-- " : ""}${words}`;
}

/** Entries are shown in quotes even where the shell needs none: people add words to them. */
function quotedEntry(entry: string): string {
  const quoted = shellQuote(entry);
  return quoted === entry ? `"${entry}"` : quoted;
}
