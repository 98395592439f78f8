/** `raft send --file FILE`: a whole file as one entry. */

import { ENTRY_BYTES_MAX } from "../base/limits.ts";
import { fileBytes, readSmallFile } from "../storage/real-disk.ts";
import { UsageError } from "./exit-codes.ts";
import { absolutePath, type Machine } from "./places.ts";
import { shellQuote } from "./wording.ts";

/** The file's bytes as they are. Throws a UsageError when it is no file, is empty, or is larger
 *  than an entry may be. */
export function readFileEntry(typed: string, machine: Machine, executable: string): Uint8Array {
  const path = absolutePath(machine, typed);
  const bytes = orExplain(path, typed, () => fileBytes(path));
  if (bytes > ENTRY_BYTES_MAX) {
    const lines = `${executable} send - < ${shellQuote(typed)}`;
    throw new UsageError(
      `${typed} has ${bytes} bytes; the limit of one entry is ${ENTRY_BYTES_MAX}. Each of its lines as an entry:  ${lines}`,
      false,
    );
  }
  const file = orExplain(path, typed, () => readSmallFile(path, ENTRY_BYTES_MAX));
  if (file === null) throw new UsageError(`there is no file ${typed}`, false);
  if (file.bytes.length > 0) return file.bytes;
  throw new UsageError(`${typed} is empty: there is nothing to add`, false);
}

function orExplain<T>(path: string, typed: string, read: () => T): T {
  try {
    return read();
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message.replace(`${path}: `, "") : "";
    throw new UsageError(`${typed} cannot be read: ${reason}`, false);
  }
}
