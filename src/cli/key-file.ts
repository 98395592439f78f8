/** Which key a command uses: `--key-file`, RAFT_KEY_FILE, `raft.key` beside the executable, the
 *  user's configuration folder; none of them: the cluster is open. */

import { readSmallFile } from "../storage/real-disk.ts";
import { parseKeyFile } from "../transport/key.ts";
import type { ClusterKey } from "../transport/types.ts";
import { CommandError } from "./exit-codes.ts";
import { absolutePath, configurationDirectory, pathRules, type Machine } from "./places.ts";
import { shellQuote } from "./wording.ts";

const KEY_FILE_NAME = "raft.key";
const KEY_FILE_BYTES_MAX = 4_096;
/** Anybody on the machine may read or write it. */
const OTHERS_MODE = 0o006;

export interface FoundKey {
  readonly key: ClusterKey;
  readonly path: string;
}

/** Where a key is looked for when none was typed, in order. */
export function usualKeyPaths(machine: Machine): readonly string[] {
  const { join } = pathRules(machine);
  return [machine.executableDirectory, configurationDirectory(machine)]
    .filter((directory) => directory !== null)
    .map((directory) => join(directory, KEY_FILE_NAME));
}

/** The key file in force, or null for an open cluster. Throws a CommandError: 2 when a file
 *  cannot be used,
 *  8 when everybody on the machine can read it. */
export function findKey(typedPath: string | null, machine: Machine): FoundKey | null {
  if (typedPath !== null) {
    const path = absolutePath(machine, typedPath);
    const key = readKeyFile(path, machine);
    if (key === null) throw new CommandError(`${path}: there is no such key file`, 2);
    return { key, path };
  }
  for (const path of usualKeyPaths(machine)) {
    const key = readKeyFile(path, machine);
    if (key !== null) return { key, path };
  }
  return null;
}

function readKeyFile(path: string, machine: Machine): ClusterKey | null {
  const file = readOrExplain(path);
  if (file === null) return null;
  if (machine.platform !== "win32" && (file.mode & OTHERS_MODE) !== 0) {
    throw new CommandError(
      `${path}: everybody on this machine can read this key. Make it yours alone:  chmod 600 ${shellQuote(path)}`,
      8,
    );
  }
  const parsed = parseKeyFile(new TextDecoder().decode(file.bytes));
  if (!parsed.ok) throw new CommandError(`${path}: ${parsed.reason}`, 2);
  return parsed.key;
}

function readOrExplain(path: string): ReturnType<typeof readSmallFile> {
  try {
    return readSmallFile(path, KEY_FILE_BYTES_MAX);
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    throw new CommandError(`the key file cannot be read: ${reason}`, 2);
  }
}
