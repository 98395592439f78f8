/** Watches what the compiled executable opens when it starts.
 *
 *  It is copied to strangers' machines and started in whatever folder they stand in: a `.env`, a
 *  `bunfig.toml`, a `node_modules` or a native add-on lying there must never become part of it. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const forbidden = /(^|\/)(node_modules|prebuilds|\.env[^/]*|bunfig\.toml|[^/]*\.node)(\/|$)/;

const timeoutMs = 30_000;

/** Runs `file version` under strace in a folder full of bait and says in one sentence what came of
 *  it. Throws when the executable looked at the bait; says so when it could not be watched here. */
export function checkTouchedFiles(file: string): string {
  const strace = Bun.which("strace");
  if (strace === null) return "not checked what it opens at start: there is no strace here";
  const directory = mkdtempSync(join(tmpdir(), "raft-bait-"));
  try {
    layBait(directory);
    const trace = join(directory, "trace");
    const command = [strace, "-f", "-e", "trace=file", "-o", trace, file, "version"];
    const run = Bun.spawnSync(command, { cwd: directory, timeout: timeoutMs, stdin: "ignore" });
    const said = `${run.stdout}${run.stderr}`;
    if (/PTRACE|ptrace/.test(said)) return "not checked what it opens: tracing is not allowed here";
    if (run.exitCode !== 0) throw new Error(`it fails in a folder with strange files:\n${said}`);
    const paths = touchedPaths(readFileSync(trace, "utf8"));
    if (paths.length === 0) throw new Error("strace saw no file opened: the check does not work");
    const touched = paths.filter((path) =>
      forbidden.test(path.slice(path.startsWith(file) ? file.length : 0)),
    );
    if (touched.length === 0) return `it opens nothing strange at start (${paths.length} paths)`;
    throw new Error(`the executable looks at files it must not trust: ${touched.join(", ")}`);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** The distinct paths named in the output of `strace -e trace=file`. */
export function touchedPaths(trace: string): string[] {
  const paths = [...trace.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map((match) => match[1] ?? "");
  return [...new Set(paths.filter((path) => path !== ""))];
}

function layBait(directory: string): void {
  for (const name of ["node_modules/msgpackr-extract", "prebuilds/linux-x64"]) {
    mkdirSync(join(directory, name), { recursive: true });
    writeFileSync(join(directory, name, "index.node"), "bait");
  }
  writeFileSync(join(directory, ".env"), "RAFT_BAIT=1\n");
  writeFileSync(join(directory, "bunfig.toml"), 'preload = ["./bait.ts"]\n');
  writeFileSync(join(directory, "bait.ts"), "throw new Error('bait taken');\n");
}
