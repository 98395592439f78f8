/** Where things are on this machine: the data, the configuration folder, the folder of the
 *  executable. Pure. */

import { posix, win32 } from "node:path";
import type { NodeId } from "../base/types.ts";
import { CommandError } from "./exit-codes.ts";
import { shellQuote } from "./wording.ts";

/** What the rules ask of the machine. */
export interface Machine {
  readonly platform: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** May throw: an account without a passwd entry and without HOME has none. */
  readonly homeDirectory: () => string;
  /** The folder of the compiled executable; null when run from source. */
  readonly executableDirectory: string | null;
  readonly workingDirectory: string;
}

const NO_HOME =
  "this account has no home directory, so there is no usual place for the data: name one with --data-dir DIR";

/** The folder that holds every cluster's data: the platform's state directory, then `raft`.
 *  Throws a CommandError (exit 2) when the account has none. */
export function stateDirectory(machine: Machine): string {
  const directory = maybeStateDirectory(machine);
  if (directory === null) throw new CommandError(NO_HOME, 2);
  return directory;
}

/** The same, or null. */
export function maybeStateDirectory(machine: Machine): string | null {
  const { join } = pathRules(machine);
  if (machine.platform === "win32")
    return under(machine, machine.environment["LOCALAPPDATA"], ["AppData", "Local"], "raft");
  if (machine.platform === "darwin") {
    const home = maybeHome(machine);
    return home === null ? null : join(home, "Library", "Application Support", "raft");
  }
  return under(machine, machine.environment["XDG_STATE_HOME"], [".local", "state"], "raft");
}

/** Where a user's own `raft.key` may lie, or null. */
export function configurationDirectory(machine: Machine): string | null {
  if (machine.platform === "win32")
    return under(machine, machine.environment["APPDATA"], ["AppData", "Roaming"], "raft");
  if (machine.platform === "darwin") return maybeStateDirectory(machine);
  return under(machine, machine.environment["XDG_CONFIG_HOME"], [".config"], "raft");
}

/** Where a node's data is, with null a whole cluster's, unless another place is named. Throws as
 *  `stateDirectory` does. */
export function usualDirectory(machine: Machine, cluster: string, id: NodeId | null): string {
  const name = id === null ? "" : String(id);
  return pathRules(machine).join(stateDirectory(machine), cluster, name);
}

/** Whether an absolute path is that place: then no command needs --data-dir to mean it. */
export function isUsualDirectory(
  machine: Machine,
  directory: string,
  cluster: string,
  id: NodeId | null,
): boolean {
  if (maybeStateDirectory(machine) === null) return false;
  return usualDirectory(machine, cluster, id) === directory;
}

/** A typed path, made absolute. */
export function absolutePath(machine: Machine, path: string): string {
  return pathRules(machine).resolve(machine.workingDirectory, path);
}

/** An absolute path as a person would type it here, quoted for the shell: relative when it lies
 *  below the working directory, with ~ when below the home directory. */
export function typedPath(machine: Machine, path: string): string {
  const below = relativeBelow(machine, machine.workingDirectory, path);
  if (below !== null) return shellQuote(below.startsWith("-") ? `./${below}` : below);
  const home = maybeHome(machine);
  const atHome = home === null ? null : relativeBelow(machine, home, path);
  // A quoted ~ is no home.
  const isPlain = atHome !== null && shellQuote(atHome) === atHome;
  return isPlain && machine.platform !== "win32" ? `~/${atHome}` : shellQuote(path);
}

/** Null when it is elsewhere, or the base is the root. */
function relativeBelow(machine: Machine, base: string, path: string): string | null {
  const { relative, isAbsolute, parse, sep } = pathRules(machine);
  const below = relative(base, path);
  const isBelow = below !== "" && below.split(sep)[0] !== ".." && !isAbsolute(below);
  return isBelow && parse(base).root !== base ? below : null;
}

/** `node:path` for the platform. */
export function pathRules(machine: Machine): typeof posix {
  return machine.platform === "win32" ? win32 : posix;
}

function under(
  machine: Machine,
  variable: string | undefined,
  fallback: readonly string[],
  name: string,
): string | null {
  const { isAbsolute, join } = pathRules(machine);
  if (variable !== undefined && isAbsolute(variable)) return join(variable, name);
  const home = maybeHome(machine);
  return home === null ? null : join(home, ...fallback, name);
}

function maybeHome(machine: Machine): string | null {
  try {
    const home = machine.homeDirectory();
    return pathRules(machine).isAbsolute(home) ? home : null;
  } catch {
    return null;
  }
}
