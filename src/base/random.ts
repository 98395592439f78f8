/** A small seeded generator (sfc32): one seed gives the same numbers on every machine. */

/** Each call gives the next number in [0, 1). Not for secrets. */
export type Random = () => number;

/** `seed` is taken modulo 2^32. */
export function seededRandom(seed: number): Random {
  let a = seed | 0;
  let b = 0x9e3779b9 | 0;
  let c = 0x243f6a88 | 0;
  let counter = 1;
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 4294967296;
  };
  // The first outputs of neighbouring seeds resemble each other.
  for (let i = 0; i < 12; i++) next();
  return next;
}
