/** Some hundred command lines of the fuzzer's grammar on the compiled executable: each ends by
 *  itself, with the exit code of a result or of a refusal, and never with a trace of our code. */

import { describe, expect, it } from "vitest";
import { ArgumentsFuzz } from "../fuzz/arguments-fuzz.ts";
import { Rolls } from "../fuzz/bytes.ts";
import { world } from "./harness.ts";

const LINES = 200;
const AT_ONCE = 4;
const SEED = 1;

describe("any command line", () => {
  it("ends with a result or a refusal, never as a bug", async () => {
    const made = world({});
    const fuzz = await ArgumentsFuzz.load(new Rolls(SEED));
    const lines = Array.from({ length: LINES }, () => fuzz.line());
    const refused: (number | null)[] = [];
    for (let at = 0; at < LINES; at += AT_ONCE) {
      const ended = await Promise.all(
        lines.slice(at, at + AT_ONCE).map(async (line) => {
          const env = { RAFT_TIMEOUT: "20ms" };
          return { line, result: await made.run([...line], { timeoutMs: 20_000, env }) };
        }),
      );
      for (const { line, result } of ended) {
        const said = `${JSON.stringify(line)}: ${result.stderr}`;
        expect(result.timedOut, said).toBe(false);
        expect([0, 2, 3, 4, 5, 6, 7, 8], said).toContain(result.code);
        expect(result.stderr, said).not.toMatch(/a bug in raft|\n\s+at /);
        if (result.code !== 0) expect(result.stderr + result.stdout, said).not.toBe("");
        refused.push(result.code);
      }
    }
    expect(new Set(refused).has(2)).toBe(true);
  }, 180_000);
});
