/** Refusals of the operating system, in the shape that the contract names. */

import type { DiskError } from "./types.ts";

/** What a disk throws: "ENOSPC", "EIO", ... with the file in the message. */
export class DiskFailure extends Error implements DiskError {
  override readonly name = "DiskFailure";
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** Any refusal of a disk as a DiskFailure. What carries no code is a bug of ours and is thrown
 *  on. */
export function toDiskError(thrown: unknown, path: string): DiskFailure {
  if (thrown instanceof DiskFailure) return thrown;
  if (typeof thrown !== "object" || thrown === null || !("code" in thrown)) throw thrown;
  const text = "message" in thrown ? String(thrown.message) : "refused";
  return new DiskFailure(String(thrown.code), `${path}: ${withoutCall(text)}`);
}

/** "EACCES: permission denied, open '/data/lock'" without the call, whose path is said already. */
function withoutCall(text: string): string {
  return text.replace(/, [a-z]+ '[^']*'$/, "");
}

/** True when the disk is full: the one refusal that is waited out. */
export function isFull(error: DiskError): boolean {
  return error.code === "ENOSPC" || error.code === "EDQUOT";
}

/** What is on the disk cannot be trusted and cannot be worked around: the node does not start. Exit
 *  code 7. */
export class StorageDamage extends Error {
  override readonly name = "StorageDamage";
  readonly file: string;
  readonly offset: number;

  constructor(reason: string, file: string, offset: number) {
    super(reason);
    this.file = file;
    this.offset = offset;
  }
}
