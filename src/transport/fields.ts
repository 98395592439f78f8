/** Reads the fields of a decoded array one by one. The first that does not fit is remembered,
 *  everything after it reads as zero, and `end` gives the reason: so decoding is straight code that
 *  never throws. */

import { NODE_ID_MAX } from "../base/limits.ts";
import { hexOf } from "./key.ts";
import type { Wire } from "./messagepack.ts";

export class FieldReader {
  readonly #values: readonly Wire[];
  readonly #what: string;
  #at = 0;
  #wrong: string | null = null;

  /** `what` names the array in reasons; a constant, never something from the wire. */
  constructor(value: Wire | undefined, what: string) {
    this.#what = what;
    this.#values = isList(value) ? value : [];
    if (!isList(value)) this.#wrong = `${what}: not an array`;
  }

  /** The reason to drop what was read, or null; also when fields are left over. */
  end(): string | null {
    if (this.#wrong === null && this.#at !== this.#values.length)
      this.#wrong = `${this.#what}: wrong length`;
    return this.#wrong;
  }

  /** Fields not read yet. */
  get remaining(): number {
    return this.#values.length - this.#at;
  }

  /** Marks what was read as wrong for a reason of the caller's. */
  refuse(reason: string): void {
    this.#wrong ??= `${this.#what}: ${reason}`;
  }

  /** An integer from `min` to `max`, both included. */
  integer(min: number, max: number): number {
    const value = this.#next();
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= min && value <= max)
      return value;
    this.refuse("integer out of range");
    return min;
  }

  /** A term, an index, a round, an id of a request. */
  count(): number {
    return this.integer(0, Number.MAX_SAFE_INTEGER);
  }

  u32(): number {
    return this.integer(0, 0xffff_ffff);
  }

  nodeId(): number {
    return this.integer(1, NODE_ID_MAX);
  }

  flag(): boolean {
    const value = this.#next();
    if (typeof value !== "boolean") this.refuse("not a boolean");
    return value === true;
  }

  text(charactersMax: number): string {
    const value = this.#next();
    if (typeof value === "string" && value.length <= charactersMax) return value;
    this.refuse("not a short text");
    return "";
  }

  /** What else may stand in the field reads as null, too. */
  textOrNull(charactersMax: number): string | null {
    const value = this.#next();
    return typeof value === "string" && value.length <= charactersMax ? value : null;
  }

  /** Aliases the datagram. */
  bytes(bytesMax: number): Uint8Array {
    const value = this.#next();
    if (value instanceof Uint8Array && value.length <= bytesMax) return value;
    this.refuse("not a byte string within its limit");
    return new Uint8Array(0);
  }

  /** 16 bytes as 32 hex digits. */
  id16(): string {
    const value = this.bytes(16);
    if (value.length !== 16) this.refuse("not 16 bytes");
    return hexOf(value);
  }

  /** One of a fixed list, sent as its place in it. */
  choice<T>(choices: readonly [T, ...T[]]): T {
    return choices[this.integer(0, choices.length - 1)] ?? choices[0];
  }

  /** True, and passes over it, if the next field is null. */
  isNull(): boolean {
    if (this.#values[this.#at] !== null) return false;
    this.#at++;
    return true;
  }

  list(itemsMax: number): readonly Wire[] {
    const value = this.#next();
    if (isList(value) && value.length <= itemsMax) return value;
    this.refuse("not a list within its limit");
    return [];
  }

  /** A list of arrays, each read to its end by `read`. */
  records<T>(itemsMax: number, read: (reader: FieldReader) => T): T[] {
    return this.list(itemsMax).map((item) => {
      const reader = new FieldReader(item, this.#what);
      const record = read(reader);
      this.#wrong ??= reader.end();
      return record;
    });
  }

  /** One nested array, read to its end by `read`. */
  record<T>(read: (reader: FieldReader) => T): T {
    const reader = new FieldReader(this.#next(), this.#what);
    const record = read(reader);
    this.#wrong ??= reader.end();
    return record;
  }

  #next(): Wire | undefined {
    return this.#values[this.#at++];
  }
}

function isList(value: Wire | undefined): value is readonly Wire[] {
  return Array.isArray(value);
}
