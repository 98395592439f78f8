/** What a load was told, held against logs that are as they should be, and against others. */
import { describe, expect, it } from "vitest";
import { EntryForm, runName } from "../../src/bench/entries.ts";
import { Written } from "../../src/bench/written.ts";

const FORM = new EntryForm("k3f9q", 30);
const COUNT = 100;

interface Place {
  index: number;
  bytes: Uint8Array;
}

/** A hundred entries, acknowledged at 11, 12, ...; the log as it should be. */
function written(): { all: Written; log: Place[] } {
  const all = new Written(FORM);
  const log = Array.from({ length: COUNT }, (_, at) => {
    const bytes = FORM.blank();
    all.acknowledge(all.next(bytes), 11 + at);
    return { index: 11 + at, bytes };
  });
  return { all, log };
}

async function verdict(all: Written, log: readonly Place[]) {
  async function* read() {
    yield* log;
  }
  return all.verify(read());
}

describe("a log that holds what was acknowledged", () => {
  it("is found right", async () => {
    const { all, log } = written();
    expect(await verdict(all, log)).toEqual({ verified: COUNT, problems: [], problemCount: 0 });
  });

  it("may hold entries of others, also of another load", async () => {
    const { all, log } = written();
    const others = [new TextEncoder().encode("hello"), new EntryForm("zzzzz", 30).blank()];
    const more = others.map((bytes, at) => ({ index: 111 + at, bytes }));
    expect(await verdict(all, [...log, ...more])).toMatchObject({ verified: COUNT, problems: [] });
  });

  it("may hold an entry once that was never acknowledged", async () => {
    const { all, log } = written();
    const open = { index: 111, bytes: FORM.blank() };
    all.next(open.bytes);
    expect(await verdict(all, log)).toMatchObject({ verified: COUNT, problems: [] });
    expect(await verdict(all, [...log, open])).toMatchObject({ verified: COUNT, problems: [] });
    const twice = await verdict(all, [...log, open, { ...open, index: 112 }]);
    expect(twice.problems).toEqual(["entry 100 is in the log twice: at 111, 112"]);
  });
});

describe("a log is found wrong when an acknowledged entry", () => {
  const spoilt: [what: string, spoil: (log: Place[]) => Place[], problem: string][] = [
    [
      "is missing",
      (log) => log.toSpliced(40, 1),
      "entry 40 was acknowledged at 51 and is not in the log",
    ],
    [
      "is there twice",
      (log) => [...log, { index: 111, bytes: FORM.blank() }],
      "entry 0 is in the log twice: at 11, 111",
    ],
    [
      "has moved",
      (log) => log.map((place, at) => (at === 7 ? { ...place, index: 118 } : place)),
      "entry 7 is at 118, and was acknowledged at 18",
    ],
    [
      "has other bytes",
      (log) =>
        log.map((place, at) => (at === 7 ? { ...place, bytes: changed(place.bytes) } : place)),
      "entry 7, at 18, is damaged",
    ],
    [
      "is cut short",
      (log) =>
        log.map((place, at) => (at === 7 ? { ...place, bytes: place.bytes.slice(0, 29) } : place)),
      "entry 7, at 18, is damaged",
    ],
    [
      "has become one that was never sent",
      (log) => {
        const bytes = FORM.blank();
        FORM.number(bytes, 1_000);
        return [...log, { index: 111, bytes }];
      },
      "entry 1000 is at 111 and was never sent",
    ],
  ];
  it.each(spoilt)("%s", async (_what, spoil, problem) => {
    const { all, log } = written();
    const { problems, problemCount, verified } = await verdict(all, spoil(log));
    expect(problems).toEqual([problem]);
    expect(problemCount).toBe(1);
    expect(verified).toBeGreaterThanOrEqual(COUNT - 1);
  });

  it("is missing with many others, of which a few are told", async () => {
    const { all } = written();
    const { problems, problemCount, verified } = await verdict(all, []);
    expect([problems.length, problemCount, verified]).toEqual([5, COUNT, 0]);
  });
});

it("more entries than one piece of its memory holds are told apart", async () => {
  const all = new Written(FORM);
  const log = Array.from({ length: 70_000 }, (_, at) => {
    const bytes = FORM.blank();
    all.acknowledge(all.next(bytes), 7 + at);
    return { index: 7 + at, bytes };
  });
  expect(await verdict(all, log)).toMatchObject({ verified: 70_000, problemCount: 0 });
  expect(await verdict(all, log.toSpliced(69_000, 1))).toMatchObject({ problemCount: 1 });
});

describe("an entry", () => {
  it("tells its number, whatever it is", () => {
    const form = new EntryForm("00000", 16);
    const entry = form.blank();
    for (const number of [0, 1, 9, 10, 4_711, 2 ** 31, 2 ** 32 + 5, 9_999_999_999]) {
      form.number(entry, number);
      expect(form.numberOf(entry)).toBe(number);
      expect(new TextDecoder().decode(entry)).toBe(`b00000${String(number).padStart(10, "0")}`);
    }
  });

  it("is nobody's whose mark, run or digits differ", () => {
    const entry = FORM.blank();
    for (let at = 0; at < 16; at++) {
      const bytes = entry.slice();
      bytes[at] = 0x21;
      expect(FORM.numberOf(bytes)).toBe(null);
    }
    expect(FORM.numberOf(entry.slice(0, 15))).toBe(null);
  });

  it("belongs to a run whose name is made of any bytes", () => {
    expect(runName(Uint8Array.of(0, 31, 32, 255, 7))).toBe("0z0z7");
  });
});

function changed(bytes: Uint8Array): Uint8Array {
  const other = bytes.slice();
  other[29] = (other[29] ?? 0) ^ 1;
  return other;
}
