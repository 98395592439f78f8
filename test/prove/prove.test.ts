/** What the scripts that prove answer to a person: to mistakes, to Ctrl-C, and to the history that
 *  test/README.md shows. */
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import { until } from "../e2e/world.ts";
import { MEASURES } from "./measures.ts";
import { verdictOf } from "./scoreboard.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const PROVE = "test/prove/prove.ts";
const RUN = "test/sim/run.ts";
const CHECK = "test/prove/check-history.ts";
const PLANTED = "test/planted/run.ts";
/** A script starts within a second, also on a machine that is busy. */
const STARTED_MS = 60_000;

/** The history that test/README.md shows. */
const shown = readFileSync(join(root, "test/README.md"), "utf8")
  .split("\n")
  .filter((line) => line.startsWith('    {"kind":'))
  .map((line) => line.trim());

function temporary(): string {
  const directory = mkdtempSync(join(tmpdir(), "raft-typed-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

function start(args: readonly string[], environment: Record<string, string> = {}) {
  const child = spawn(process.execPath, args, {
    cwd: root,
    env: { ...process.env, ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const said = { out: "", error: "" };
  child.stdout.on("data", (chunk: Buffer) => (said.out += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (said.error += chunk.toString()));
  const code = new Promise<number | null>((resolve) => void child.once("close", resolve));
  return { child, said, code };
}

async function typed(...args: string[]) {
  const { said, code } = start(args);
  return { code: await code, ...said };
}

/** The whole answer to a mistake: a sentence, where to read more, and no stack. */
function mistake(sentence: string) {
  return { code: 2, out: "", error: `${sentence}\n--help tells what may be asked.\n` };
}

describe("a mistake on the command line is a sentence and exit code 2", () => {
  it.each([
    [[PROVE, "--seconds", "0"], "--seconds 0: a number above 0 is needed"],
    [[PROVE, "--seconds", "x"], "--seconds x: a number above 0 is needed"],
    [[PROVE, "--minutes", "abc"], "--minutes abc: a number above 0 is needed"],
    [[PROVE, "--seed", "abc"], "--seed abc: one whole number from 0 on is needed"],
    [[PROVE, "--bogus"], "Unknown option '--bogus'"],
    [[PROVE, "--only", "kil"], "--only kil: there is nothing of that name; did you mean kill?"],
    [[RUN, "--seed", "abc"], "--seed abc: one whole number from 0 on is needed"],
    [[RUN, "--seed", "1,2"], "--seed 1,2: one whole number from 0 on is needed"],
    [[RUN, "--seeds", "0"], "--seeds 0: one whole number from 1 on is needed"],
    [["test/prove/fuzz.ts", "x"], "SECONDS x: a number above 0 is needed"],
    [
      [PLANTED, "--only", "comit-older-term"],
      "--only comit-older-term: there is nothing of that name; did you mean commit-older-term?",
    ],
    [
      [PLANTED, "--only", "nosuch"],
      "--only nosuch: there is nothing of that name; none is like it; --help shows all",
    ],
    [[CHECK], "a file with a history is needed"],
    [[CHECK, "no/such"], "no/such: there is no such file"],
  ])("%j", async (args, sentence) => {
    expect(await typed(...args)).toEqual(mistake(sentence));
  });
});

describe("prove", () => {
  it("--help names every measure and every flag", async () => {
    const { code, out, error } = await typed(PROVE, "--help");
    expect([code, error.replace(/^skipped: .*\n/gm, "")]).toEqual([0, ""]);
    for (const { name } of MEASURES) expect(out).toMatch(new RegExp(`^    ${name} +`, "m"));
    for (const { title } of MEASURES) expect(out).toContain(title);
    for (const flag of ["only", "seconds", "seed", "minutes", "ci", "json"])
      expect(out).toContain(`--${flag}`);
  });

  it("says after Ctrl-C how far it got, and leaves nothing", async () => {
    const place = temporary();
    const asked = ["--only", "founding,kill", "--seconds", "120"];
    const { child, said, code } = start([PROVE, ...asked], { TMPDIR: place });
    await until("a first line", () => said.error.includes("  kill: "), STARTED_MS);
    child.kill("SIGINT");
    expect(await code).toBe(130);
    expect(said.out).toMatch(/^stopped {7}kill -9, .*: \d+ of 5,000 kills, 0 broken promises$/m);
    expect(said.out).toMatch(
      /^interrupted by SIGINT after \d+ s: 0 measures done, 1 stopped, 1 not begun; no page is written$/m,
    );
    expect(readdirSync(place)).toEqual([]);
  });

  it("does not call it ok when nothing was tried", () => {
    const [measure] = MEASURES;
    if (measure === undefined) throw new Error("there is no measure");
    const figure = { done: 0, bad: 0, ok: true, text: "", failures: [] };
    const line = { measure, target: 0, seconds: 1, seed: 1 };
    expect(verdictOf({ ...line, figure })).toBe("nothing tried");
    expect(verdictOf({ ...line, figure: { ...figure, done: 1 } })).toBe("ok");
    expect(verdictOf({ ...line, figure: { ...figure, failures: ["one"], ok: false } })).toBe(
      "BROKEN",
    );
    const slow = { ...figure, done: 1, ok: false, fallsShort: true, failures: ["slow"] };
    expect(verdictOf({ ...line, figure: slow })).toBe("falls short");
    expect(verdictOf({ ...line, figure: { ...slow, bad: 1 } })).toBe("BROKEN");
  });

  it("has each measure in the table of test/README.md", () => {
    const text = readFileSync(join(root, "test/README.md"), "utf8");
    for (const { name } of MEASURES) expect(text).toMatch(new RegExp(`^\\| \`${name}\` \\|`, "m"));
  });
});

describe("the simulator by hand", () => {
  it("ends with a verdict", async () => {
    const { code, out } = await typed(RUN, "--seed", "3", "--elections", "4", "--quiet");
    expect(out).toMatch(
      /^ok: every promise held \(seed 3: [\d.]+ cluster-hours, [\d,]+ faults, [\d,]+ operations\)$/m,
    );
    expect(code).toBe(0);
  });
});

describe("check-history", () => {
  async function judged(lines: readonly string[]) {
    const file = join(temporary(), "history.jsonl");
    writeFileSync(file, lines.map((line) => `${line}\n`).join(""));
    const { code, out, error } = await typed(CHECK, file);
    return { code, said: (out + error).split("\n")[0]?.replace(`${file}: `, "") };
  }

  it("finds the history of test/README.md right", async () => {
    expect(shown).toHaveLength(5);
    expect(await judged(shown)).toEqual({ code: 0, said: "linearizable, everything exactly once" });
  });

  it("finds each spoilt digit of it", async () => {
    const spoilt = (from: string, to: string) => shown.map((line) => line.replace(from, to));
    expect(await judged(spoilt("ad04009cd590", "ad04009cd591"))).toEqual({
      code: 1,
      said: "broken: a read of 1..3 saw another log",
    });
    expect(await judged(spoilt('"index":2,"count"', '"index":1,"count"'))).toEqual({
      code: 1,
      said: "broken: lost or moved: 9f86d081884c7d65,60303ae22b998861",
    });
    expect(await judged(spoilt('"from":1', '"from":2'))).toMatchObject({ code: 1 });
  });

  it.each([
    ["an empty file", [], "there are no operations in it: nothing is proved"],
    ["a log alone", shown.slice(2), "there are no operations in it: nothing is proved"],
    ["what is not JSON", ["hello"], "line 1 is not JSON: hello"],
    ["another kind", ['{"kind":"x"}'], "line 1 has the kind x, not send, read or final"],
    [
      "a field that is missing",
      shown.map((line) => line.replace('"count":3,', "")),
      "line 2 (read) lacks the field count",
    ],
  ])("does not judge %s", async (_, lines, sentence) => {
    expect(await judged(lines)).toEqual({ code: 2, said: sentence });
  });
});
