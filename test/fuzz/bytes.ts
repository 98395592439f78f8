/** Dice and damage for fuzzing: a fast generator, and mutations of bytes in place. */

/** xorshift32 with a multiplied output: a number costs three shifts. The same seed gives the same
 *  run in every runtime. */
export class Rolls {
  #state: number;

  constructor(seed: number) {
    this.#state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) | 1;
    for (let i = 0; i < 8; i++) this.u32();
  }

  u32(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return Math.imul(x, 0x9e3779bb) >>> 0;
  }

  /** 0 to bound - 1; bound at most 2^32. */
  below(bound: number): number {
    return Math.floor((this.u32() / 2 ** 32) * bound);
  }

  /** True once in `n`. */
  oneIn(n: number): boolean {
    return this.below(n) === 0;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!;
  }

  bytes(length: number): Uint8Array {
    const made = new Uint8Array(length);
    for (let at = 0; at < length; at++) made[at] = this.u32() >>> 24;
    return made;
  }
}

/** Bytes that decoders stumble over: heads of MessagePack's types, limits of lengths. */
const STUMBLES = [
  ...[0x00, 0x01, 0x7f, 0x80, 0x81, 0x8f, 0x90, 0x91, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xc3],
  ...[0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xcb, 0xcc, 0xcd, 0xce, 0xcf, 0xd0, 0xd1, 0xd2],
  ...[0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0xe0, 0xff],
];

/** Changes 1 to 8 places of `bytes[from..to)`; at least one byte differs afterwards. */
export function mutate(rolls: Rolls, bytes: Uint8Array, from: number, to: number): void {
  const span = to - from;
  if (span <= 0) return;
  const times = 1 + (rolls.u32() & rolls.u32() & 7);
  const sure = from + rolls.below(span);
  const before = bytes[sure]!;
  for (let i = 0; i < times; i++) mutateOnce(rolls, bytes, from, span);
  if (bytes[sure] === before) bytes[sure] = before ^ (1 << (rolls.u32() & 7));
}

function mutateOnce(rolls: Rolls, bytes: Uint8Array, from: number, span: number): void {
  const at = from + rolls.below(span);
  switch (rolls.u32() & 7) {
    case 0:
    case 1:
    case 2:
      bytes[at] = bytes[at]! ^ (1 << (rolls.u32() & 7));
      return;
    case 3:
      bytes[at] = rolls.u32() & 255;
      return;
    case 4:
    case 5:
      bytes[at] = rolls.pick(STUMBLES);
      return;
    case 6: {
      const length = Math.min(1 + rolls.below(8), from + span - at);
      const source = from + rolls.below(span);
      bytes.copyWithin(at, source, Math.min(source + length, from + span));
      return;
    }
    default:
      bytes.fill(rolls.oneIn(2) ? 0xff : 0, at, Math.min(at + 1 + rolls.below(8), from + span));
  }
}

/** The beginning of one and the end of another, each cut anywhere. */
export function splice(rolls: Rolls, a: Uint8Array, b: Uint8Array): Uint8Array {
  const head = rolls.below(a.length + 1);
  const tail = rolls.below(b.length + 1);
  const made = new Uint8Array(head + b.length - tail);
  made.set(a.subarray(0, head));
  made.set(b.subarray(tail), head);
  return made;
}
