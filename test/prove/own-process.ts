/** One measure in a process of its own, which cannot take the others along when it dies. It leads a
 *  process group and has a temporary directory of its own: however it ends, nothing of it is left
 *  but the evidence of broken promises. */

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { sleep } from "../e2e/world.ts";
import type { Figure } from "./measure.ts";

/** What a round with broken promises keeps (`round.ts`). */
const EVIDENCE = "raft-broken-";
/** From the signal until everything is killed: a disk must be unmounted meanwhile. */
const GRACE_MS = 8_000;
/** Until the last killed process is gone. */
const GONE_MS_MAX = 5_000;

/** Where a measure's process writes what it last said, beside its figure. */
export function progressFile(figureFile: string): string {
  return join(dirname(figureFile), "progress.txt");
}

export class OwnProcess {
  readonly name: string;
  readonly #directory = mkdtempSync(join(tmpdir(), "raft-prove-"));
  readonly #child: ChildProcess;
  readonly #exited: Promise<number | null>;
  #said = "";

  /** Starts `script` for the measure `name`. The process must write its figure, as JSON, to the
   *  file that follows `--figure`. */
  constructor(name: string, script: string, args: readonly string[]) {
    this.name = name;
    mkdirSync(this.#temporary);
    this.#child = spawn(process.execPath, [script, "--figure", this.#figureFile, ...args], {
      stdio: ["ignore", "inherit", "inherit"],
      detached: true,
      env: { ...process.env, ...temporaryDirectories(this.#temporary) },
    });
    this.#exited = new Promise((resolve) => {
      this.#child.once("error", () => resolve(null));
      this.#child.once("exit", resolve);
    });
  }

  /** Its figure, or the sentence that says how it ended without one. */
  async figure(): Promise<Figure | string> {
    const code = await this.#exited;
    try {
      this.#said = textOf(progressFile(this.#figureFile));
      const text = textOf(this.#figureFile);
      if (code !== 0 || text === "") return `${this.name} ended with ${code ?? "a signal"}`;
      return JSON.parse(text) as Figure;
    } finally {
      await this.#clear();
    }
  }

  /** What it last said of itself, once it has ended. */
  get said(): string {
    return this.#said;
  }

  /** Ends it with all that it has started, at the latest after some seconds. */
  interrupt(signal: NodeJS.Signals): void {
    this.#signal(signal);
    setTimeout(() => this.#signal("SIGKILL"), GRACE_MS).unref();
  }

  get #temporary(): string {
    return join(this.#directory, "tmp");
  }

  get #figureFile(): string {
    return join(this.#directory, "figure.json");
  }

  /** To the whole group. False: there is nobody any more. */
  #signal(signal: NodeJS.Signals | 0): boolean {
    if (this.#child.pid === undefined) return false;
    try {
      return process.kill(-this.#child.pid, signal);
    } catch {
      return false;
    }
  }

  async #clear(): Promise<void> {
    const deadlineMs = performance.now() + GONE_MS_MAX;
    while (this.#signal("SIGKILL") && performance.now() < deadlineMs) await sleep(20);
    const evidence = readdirSync(this.#temporary).filter((name) => name.startsWith(EVIDENCE));
    const rest = evidence.length === 0 ? [this.#directory] : this.#besides(evidence);
    for (const path of rest) rmSync(path, { recursive: true, force: true, maxRetries: 5 });
  }

  #besides(evidence: readonly string[]): readonly string[] {
    const names = readdirSync(this.#temporary).filter((name) => !evidence.includes(name));
    const files = [this.#figureFile, progressFile(this.#figureFile)];
    return [...files, ...names.map((name) => join(this.#temporary, name))];
  }
}

function temporaryDirectories(directory: string): Record<string, string> {
  return { TMPDIR: directory, TEMP: directory, TMP: directory };
}

function textOf(file: string): string {
  return existsSync(file) ? readFileSync(file, "utf8") : "";
}
