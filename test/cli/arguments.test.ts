/** What may be typed: strict flags, the nearest word, free text after --, values and their
 *  rules. */

import { parseArgs } from "citty";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkArguments, type WordsExpected } from "../../src/cli/arguments.ts";
import { meantBy } from "../../src/cli/commands.ts";
import { LineSplitter, LineTooLong } from "../../src/cli/entry-lines.ts";
import { editDistance, nearestWord } from "../../src/cli/nearest.ts";
import { refuseDashWithWords, sendCommand } from "../../src/cli/send.ts";
import {
  parseClusterName,
  parseDuration,
  parseHttp,
  parseNodeId,
  parsePeers,
  parseVoters,
  type Parsed,
  SettingsReader,
} from "../../src/cli/settings.ts";
import { shellQuote } from "../../src/cli/wording.ts";
import { lastWords, withoutDetach } from "../../src/cli/up-detached.ts";

const flags = sendCommand.args;
const text: WordsExpected = sendCommand.words;
const nothing: WordsExpected = { hint: "", min: 0, max: 0 };

function problems(typed: readonly string[], words = text): readonly string[] {
  const checked = checkArguments(typed, flags, words, "./raft send");
  return checked.type === "wrong" ? checked.problems : [checked.type];
}

describe("what was typed", () => {
  it.each([
    [
      ["--timout", "5s", "x"],
      "there is no flag --timout; did you mean --timeout? If it is an entry:  ./raft send -- --timout 5s x",
    ],
    [
      ["--hello"],
      "there is no flag --hello; did you mean --help? If it is an entry:  ./raft send -- --hello",
    ],
    [["-5", "degrees"], "there is no flag -5. If it is an entry:  ./raft send -- -5 degrees"],
    [["-x", "oi"], "there is no flag -x. If it is an entry:  ./raft send -- -x oi"],
    [["-5 graus"], 'there is no flag "-5 graus". If it is an entry:  ./raft send -- "-5 graus"'],
    [
      ["-q", "oi", "-5 graus"],
      'there is no flag "-5 graus". If it is an entry:  ./raft send --quiet -- oi "-5 graus"',
    ],
    [["x", "--timeout"], "--timeout needs a value: --timeout TIME"],
    [["x", "--timeout", "--quiet"], "--timeout needs a value: --timeout TIME"],
    [["x", "--quiet=yes"], "--quiet takes no value"],
    [["x", "--timeout", "5s", "--timeout=6s"], "--timeout is given twice"],
    [["--file", "x.txt", "words"], "--file or words, not both"],
    [
      [],
      "something is missing:  ./raft send ENTRY... | - | --file FILE     (- reads standard input, one entry a line)",
    ],
  ])("%o is one clear problem", (typed, problem) => expect(problems(typed)).toEqual([problem]));

  it("a file beside - is refused, with the redirection that was meant", () => {
    const refused = (entries: readonly string[]) => () => refuseDashWithWords(entries, "./raft");
    expect(refused(["-", "big file.txt"])).toThrow(
      '- reads standard input and stands alone; did you mean  ./raft send - < "big file.txt"',
    );
    expect(refused(["-", "a", "b"])).toThrow("- reads standard input and stands alone");
    expect(refused(["a", "-"])).not.toThrow();
  });

  it("a number with a dash is meant as a number of entries where there is -n", () => {
    const flag = { tail: { type: "string", description: "", alias: "n" } } as const;
    expect(checkArguments(["-5"], flag, nothing, "./raft log")).toEqual({
      type: "wrong",
      problems: ["there is no flag -5; did you mean -n 5?"],
    });
  });

  it("a command by another program's name is understood", () => {
    expect(["start", "append", "list", "toString"].map(meantBy)).toEqual([
      "up",
      "send",
      "log",
      null,
    ]);
  });

  it("names all its problems at once", () => {
    expect(problems(["--timout", "--quiet=1", "x"])).toEqual([
      "there is no flag --timout; did you mean --timeout? If it is an entry:  ./raft send -- --timout x",
      "--quiet takes no value",
    ]);
  });

  it.each([
    [["status", "again"], nothing, "one word too many: status"],
    [
      ["ad", "4"],
      { hint: "", min: 0, max: 2, firstOf: { add: ["join"], remove: ["rm"] } },
      "there is no ad here; did you mean add?",
    ],
    [
      ["xyz"],
      { hint: "", min: 0, max: 2, firstOf: { add: ["join"], remove: ["rm"] } },
      "there is no xyz here; one of add, remove",
    ],
    [
      ["rm"],
      { hint: "", min: 0, max: 2, firstOf: { add: ["join"], remove: ["rm"] } },
      "there is no rm here; did you mean remove?",
    ],
    [
      ["toString"],
      { hint: "", min: 0, max: 2, firstOf: { add: ["join"], remove: ["rm"] } },
      "there is no toString here; one of add, remove",
    ],
  ])("%o has a word that nobody knows", (typed, words, problem) =>
    expect(problems(typed, words)).toEqual([problem]),
  );

  it.each([
    [["--help"], "help"],
    [["x", "-h"], "help"],
    [["--", "--help"], "ok"],
    [["--request-id", "--help", "x"], "help"],
    [["-"], "ok"],
  ])("%o asks for %s", (typed, type) =>
    expect(checkArguments(typed, flags, text, "./raft send").type).toBe(type),
  );

  it("reaches citty in a form that it cannot misread", () => {
    const word = fc.oneof(
      fc.string(),
      fc.constantFrom("--help", "-5", "--", "--no-json", "--json=1", "-q", "true", "007", "1e3"),
    );
    fc.assert(
      fc.property(
        fc.array(word, { minLength: 1 }),
        fc.string(),
        fc.boolean(),
        (entries, id, quiet) => {
          const typed = [...(quiet ? ["-q"] : []), `--request-id=${id}`, "--", ...entries];
          const checked = checkArguments(typed, flags, text, "./raft send");
          expect(checked.type).toBe("ok");
          if (checked.type !== "ok") return;
          const parsed = parseArgs([...checked.canonical], { ...flags });
          expect(parsed._).toEqual(entries);
          expect(parsed["request-id"]).toBe(id);
          expect(parsed["quiet"] === true).toBe(quiet);
        },
      ),
    );
  });

  it("takes values behind a short flag, with and without a space", () => {
    const tail = {
      tail: { type: "string", alias: "n", description: "", valueHint: "N" },
      follow: { type: "boolean", alias: "f", description: "" },
    } as const;
    for (const typed of [["-fn5"], ["-f", "-n5"], ["-n", "5", "-f"], ["--tail=5", "--follow"]]) {
      const checked = checkArguments(typed, tail, nothing, "./raft log");
      expect(checked.type === "ok" ? [...checked.canonical].toSorted() : checked).toEqual([
        "--",
        "--follow",
        "--tail=5",
      ]);
    }
  });
});

describe("the nearest word", () => {
  const commands = [
    "up",
    "send",
    "log",
    "status",
    "leader",
    "stop",
    "transfer",
    "members",
    "version",
  ];
  it.each([
    ["stauts", "status"],
    ["sned", "send"],
    ["lgo", "log"],
    ["member", "members"],
    ["trans", "transfer"],
    ["vers", "version"],
    ["banana", null],
    ["x", null],
  ])("of %s is %s", (typed, word) => expect(nearestWord(typed, commands)).toBe(word));

  it("is at distance 0 from itself, and distances are symmetric", () => {
    const word = fc.string({ maxLength: 8 });
    fc.assert(fc.property(word, (a) => editDistance(a, a) === 0));
    fc.assert(fc.property(word, word, (a, b) => editDistance(a, b) === editDistance(b, a)));
  });
});

describe("values", () => {
  const cases: readonly (readonly [(text: string) => Parsed<unknown>, string, unknown])[] = [
    [parseDuration, "500ms", 500],
    [parseDuration, "5s", 5_000],
    [parseDuration, "1.5s", 1_500],
    [parseDuration, "250", 250],
    [parseDuration, "0", null],
    [parseDuration, "5m", null],
    [parseDuration, "-1s", null],
    [parseDuration, "", null],
    [parseDuration, "99999999s", null],
    [parseNodeId, "1", 1],
    [parseNodeId, "999", 999],
    [parseNodeId, "0", null],
    [parseNodeId, "1000", null],
    [parseNodeId, "abc", null],
    [parseNodeId, "1.5", null],
    [parseNodeId, "+1", null],
    [parseClusterName, "g4", "g4"],
    [parseClusterName, "a.b_c-D", "a.b_c-D"],
    [parseClusterName, ".hidden", null],
    [parseClusterName, "a".repeat(33), null],
    [parseClusterName, "../etc", null],
    [parseClusterName, "", null],
    [parseVoters, "5,1,2", [1, 2, 5]],
    [parseVoters, "1,1", null],
    [parseVoters, "1,,2", null],
    [parseVoters, Array.from({ length: 17 }, (_, at) => at + 1).join(), null],
    [
      parsePeers,
      "10.0.0.7,lab-08:7402, 3=lab-09:7403",
      ["10.0.0.7", "lab-08:7402", "3=lab-09:7403"],
    ],
    [parsePeers, "", []],
    [parsePeers, "fe80::1", null],
    [parsePeers, "host:99999", null],
    [parsePeers, "0=host", null],
    [parseHttp, "8080", { host: "127.0.0.1", port: 8_080 }],
    [parseHttp, "0.0.0.0:8080", { host: "0.0.0.0", port: 8_080 }],
    [parseHttp, ":8080", null],
    [parseHttp, "80x", null],
  ];
  it.each(cases)("%# %o of %s", (parse, typed, value) => {
    const parsed = parse(typed);
    expect(parsed.ok ? parsed.value : null).toEqual(value);
  });

  it("come from the flag, then from the environment, where empty is unset", () => {
    const read = (args: object, environment: object): number =>
      new SettingsReader({ ...args }, { ...environment }).read("timeout", parseDuration, 2_000);
    expect(read({ timeout: "1s" }, { RAFT_TIMEOUT: "9s" })).toBe(1_000);
    expect(read({}, { RAFT_TIMEOUT: "9s" })).toBe(9_000);
    expect(read({}, { RAFT_TIMEOUT: "" })).toBe(2_000);
    expect(read({}, {})).toBe(2_000);
  });

  it("that are wrong are all named, with where they came from", () => {
    const reader = new SettingsReader({ cluster: "!" }, { RAFT_TIMEOUT: "soon" });
    reader.read("cluster", parseClusterName, null);
    reader.read("timeout", parseDuration, 0);
    expect(() => reader.check()).toThrow(
      "--cluster !: a name is 1 to 32 of a-z A-Z 0-9 . _ -, and begins with a letter or digit\nRAFT_TIMEOUT=soon: a time is 500ms, 5s or a number of milliseconds",
    );
  });
});

describe("lines of input", () => {
  function split(chunks: readonly Uint8Array[]): string[] {
    const splitter = new LineSplitter();
    const lines = [...chunks.flatMap((chunk) => [...splitter.take(chunk)]), ...splitter.end()];
    return lines.map((line) => Buffer.from(line).toString("latin1"));
  }

  it("are the same however the input is cut, empty ones and odd bytes included", () => {
    const bytes = fc
      .uint8Array({ maxLength: 60 })
      .map((array) => array.map((byte) => (byte % 5 === 0 ? 10 : byte)));
    fc.assert(
      fc.property(bytes, fc.integer({ min: 1, max: 7 }), (input, size) => {
        const chunks = Array.from({ length: Math.ceil(input.length / size) }, (_, at) =>
          input.slice(at * size, (at + 1) * size),
        );
        const whole = Buffer.from(input).toString("latin1");
        const expected = whole.endsWith("\n")
          ? whole.slice(0, -1).split("\n")
          : whole === ""
            ? []
            : whole.split("\n");
        expect(split(chunks)).toEqual(expected);
      }),
    );
  });

  it("may be as long as an entry and no longer; the line is named", () => {
    const limit = 1_048_576;
    expect(split([new Uint8Array(limit).fill(65), Uint8Array.of(10)])[0]?.length).toBe(limit);
    const splitter = new LineSplitter();
    expect([...splitter.take(Uint8Array.of(65, 10))].length).toBe(1);
    const tooLong = (): unknown => [...splitter.take(new Uint8Array(limit + 1).fill(65))];
    expect(tooLong).toThrow(LineTooLong);
    expect(tooLong).toThrow("line 2 is longer than an entry may be (1048576 bytes)");
  });
});

describe("commands to paste", () => {
  it.each([
    ["oi", "oi"],
    ["-5 graus", '"-5 graus"'],
    ["", '""'],
    ["$HOME", "'$HOME'"],
    ["it's", '"it\'s"'],
  ])("%s is quoted as %s", (word, quoted) => expect(shellQuote(word)).toBe(quoted));

  it("show what the background said last, harmless for a terminal", () => {
    const log = Array.from({ length: 20 }, (_, at) => `line ${at}\n`).join("") + "\u001b[2J\n";
    const words = lastWords(new TextEncoder().encode(log));
    expect([words.length, words[0], words.at(-1)]).toEqual([12, "line 9", "\\x1b[2J"]);
    expect(lastWords(new Uint8Array())).toEqual([]);
  });

  it("go to the background without their -d", () => {
    expect(withoutDetach(["up", "--id", "1", "-d"])).toEqual(["up", "--id", "1"]);
    expect(withoutDetach(["up", "-vd", "--id=1", "--detach"])).toEqual(["up", "-v", "--id=1"]);
  });
});
