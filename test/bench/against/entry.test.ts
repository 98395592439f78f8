/** What is read back is held against what was acknowledged. */
import { expect, it } from "vitest";
import { DIGEST_MODULUS, Expected, numberedEntry, placeDigest } from "./entry.ts";

const SIZE = 40;

/** Two runs: 0 to 2 at the places 11 to 13, and 100 at the place 14. */
function expected(): Expected {
  const digest = (from: number, count: number, place: number) =>
    Array.from({ length: count }, (_, at) => placeDigest(from + at, place + at)).reduce(
      (sum, one) => (sum + one) % DIGEST_MODULUS,
      0,
    );
  return new Expected("the log", SIZE, [
    { first: 0, count: 3, digest: digest(0, 3, 11) },
    { first: 100, count: 1, digest: digest(100, 1, 14) },
  ]);
}

function read(pairs: readonly (readonly [number, number])[]): Expected {
  const log = expected();
  for (const [number, place] of pairs) log.found(numberedEntry(SIZE, number), place);
  return log;
}

const whole = [
  [0, 11],
  [1, 12],
  [2, 13],
  [100, 14],
] as const;

it("entries that are all there, once, in their places are as they should be", () => {
  const log = read(whole);
  expect(log.all()).toBe(4);
  expect(() => log.inPlace()).not.toThrow();
});

it("an entry that is missing is seen", () => {
  const log = read(whole.slice(1));
  expect(() => log.all()).toThrow("acknowledged 4 entries and holds 3");
});

it("an entry that is there twice, that nobody wrote or that was changed is seen", () => {
  const log = read(whole);
  expect(() => log.found(numberedEntry(SIZE, 1), 15)).toThrow("the entry 1 twice");
  expect(() => log.found(numberedEntry(SIZE, 3), 15)).toThrow("3, which nobody wrote");
  const changed = numberedEntry(SIZE, 2);
  changed[SIZE - 1] = 0;
  expect(() => expected().found(changed, 13)).toThrow("changed the entry 2");
  expect(() => expected().found(numberedEntry(SIZE - 1, 2), 13)).toThrow("changed the entry 2");
});

it("entries that changed places are seen", () => {
  const swapped = read([
    [0, 12],
    [1, 11],
    [2, 13],
    [100, 14],
  ]);
  expect(() => swapped.inPlace()).toThrow("elsewhere");
});
