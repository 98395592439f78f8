/** The build refuses to finish with an executable that is not sound. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import { wrapComments } from "../../build/wrap-comments.ts";
import { touchedPaths } from "../../build/touched-files.ts";

const build = fileURLToPath(new URL("../../build/build.ts", import.meta.url));
const hasStrace = Bun.which("strace") !== null;
if (!hasStrace) console.warn("skipped: watching what the executable opens (there is no strace)");

/** Builds a program of one file in a temporary folder. */
function buildProgram(program: string) {
  const directory = mkdtempSync(join(tmpdir(), "raft-build-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const [entry, out] = [join(directory, "main.ts"), join(directory, "raft")];
  writeFileSync(entry, program);
  const make = () => {
    const command = [process.execPath, build, "--entry", entry, "--out", out];
    const run = Bun.spawnSync(command, { timeout: 60_000, stderr: "pipe" });
    return { code: run.exitCode, said: `${run.stdout}${run.stderr}`, isThere: existsSync(out) };
  };
  return { make, change: (text: string) => writeFileSync(entry, text) };
}

describe("the build", () => {
  it("compiles the commit in, and does nothing when nothing has changed", () => {
    const { make, change } = buildProgram("console.log('raft', RAFT_COMMIT);");
    const first = make();
    expect(first.said).toMatch(/it runs: raft \w+/);
    expect(first).toMatchObject({ code: 0, isThere: true });
    expect(make().said).toMatch(/is up to date/);
    change("console.log('another');");
    expect(make().said).toMatch(/it runs: another/);
  });

  it("refuses a program that ends with an error, and leaves nothing behind", () => {
    const { make } = buildProgram("console.log('raft'); process.exit(3);");
    const made = make();
    expect(made).toMatchObject({ code: 1, isThere: false });
    expect(made.said).toMatch(/does not run.*exit 3/);
  });

  it("refuses a program that cannot be bundled", () => {
    const { make } = buildProgram("import { x } from './not-there.ts'; console.log(x);");
    const made = make();
    expect(made).toMatchObject({ code: 1, isThere: false });
    expect(made.said).toMatch(/not-there/);
  });

  it.skipIf(!hasStrace).each([".env", "bunfig.toml", "node_modules/msgpackr-extract", "prebuilds"])(
    "refuses a program that looks at %s where it is started",
    (name) => {
      const { make } = buildProgram(`
        import { existsSync } from "node:fs";
        console.log(existsSync("${name}") ? "taken" : "not there");`);
      const made = make();
      expect(made).toMatchObject({ code: 1, isThere: false });
      expect(made.said).toContain("must not trust");
      expect(made.said).toContain(name);
    },
  );

  it("reads every path in a trace", () => {
    const trace = '1 openat(AT_FDCWD, "/a b", O_RDONLY) = 3\n2 rename("/c", "d") = 0\n';
    expect(touchedPaths(trace)).toEqual(["/a b", "/c", "d"]);
  });
});

describe("npm run fix", () => {
  it("breaks a comment that is too wide, and no other line", () => {
    const words = "a word ".repeat(16).trim();
    const wrapped = wrapComments(`/** ${words} */\nconst a = "${words}";\n`);
    const lines = wrapped.split("\n");
    expect(lines).toHaveLength(4);
    expect(lines[0]?.length).toBeLessThanOrEqual(100);
    expect(lines[1]).toMatch(/^ \* {2}\w.* \*\/$/);
    expect(lines[2]).toBe(`const a = "${words}";`);
    expect(wrapComments(wrapped)).toBe(wrapped);
  });
});
