/** What the figures were measured on and with: the machine, the commit, the executable, and a hash
 *  of the work, so that two reports can be told apart or compared. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, statfsSync } from "node:fs";
import { arch, cpus, release, totalmem, type } from "node:os";
import type { Scenario } from "./scenario.ts";

export interface Setting {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly fileSystem: string;
  readonly runtime: string;
  /** What the executable says of itself: its version, and the commit that it was built from. */
  readonly version: string;
  /** The commit of the sources, of the load and the scenarios that is, with "+" when files differ
   *  from it; null outside of a repository. */
  readonly commit: string | null;
  /** First digits of the executable's SHA-256. */
  readonly executable: string;
  /** First digits of the SHA-256 of what was asked for: equal work has equal hashes. */
  readonly work: string;
}

const HASH_DIGITS = 12;

export function settingOf(options: {
  readonly root: string;
  readonly directory: string;
  readonly executable: string;
  readonly scenarios: readonly Scenario[];
  readonly seconds: number;
  readonly seed: number;
  /** What else was asked for. */
  readonly more?: unknown;
}): Setting {
  const { root, directory, scenarios, seconds, seed, more } = options;
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: cpus().length,
    memoryGiB: Math.round((totalmem() / 2 ** 30) * 10) / 10,
    kernel: `${type()} ${release()} ${arch()}`,
    fileSystem: fileSystemOf(directory),
    runtime: `Bun ${Bun.version}`,
    version: execFileSync(options.executable, ["version"], { encoding: "utf8" }).trim(),
    commit: commitOf(root),
    executable: digest(readFileSync(options.executable)),
    work: workHash(scenarios, seconds, seed, more),
  };
}

/** The head of a report: on what it ran, and what ran. */
export function headLines(setting: Setting): readonly string[] {
  const { cpu, cores, memoryGiB, kernel, fileSystem, version, executable, commit } = setting;
  return [
    `machine:    ${cpu}, ${cores} cores, ${memoryGiB} GiB, ${kernel}, ${fileSystem}`,
    `what ran:   ${version}, SHA-256 ${executable}...; measured by commit ${commit ?? "unknown"}, ${setting.runtime}`,
  ];
}

/** The same for the same scenarios, settings and seed, on every machine. */
export function workHash(
  scenarios: readonly Scenario[],
  seconds: number,
  seed: number,
  more?: unknown,
): string {
  const work = scenarios.map(({ name, settings }) => ({ name, settings }));
  return digest(JSON.stringify({ work, seconds, seed, more }));
}

/** Linux's number of a file system as a name. */
export function fileSystemOf(directory: string): string {
  const names: Record<number, string> = {
    0xef53: "ext4",
    0x9123683e: "btrfs",
    0x58465342: "xfs",
    0x01021994: "tmpfs",
    0x794c7630: "overlayfs",
    0x2fc12fc1: "zfs",
    0x6969: "nfs",
  };
  const number = statfsSync(directory).type;
  return names[number] ?? `0x${number.toString(16)}`;
}

function commitOf(root: string): string | null {
  const git = (...args: string[]) =>
    execFileSync("git", args, { cwd: root, encoding: "utf8", stdio: "pipe" }).trim();
  try {
    const dirty = git("status", "--porcelain") !== "";
    return `${git("rev-parse", "--short=12", "HEAD")}${dirty ? "+" : ""}`;
  } catch {
    return null;
  }
}

function digest(bytes: string | Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex").slice(0, HASH_DIGITS);
}
