/** Compiles the executable, runs what it compiled, and refuses to finish if that is not sound.
 *
 *      bun build/build.ts                          build/out/raft for this machine
 *      bun build/build.ts --targets all            one file per platform, and SHA256SUMS
 *      bun build/build.ts --targets darwin-arm64,linux-x64-musl-baseline
 *      bun build/build.ts --entry FILE --out FILE  another program, with the same checks
 *      bun build/build.ts --force                  even when nothing has changed
 *
 *  A bundler that fails can still exit 0 and leave a file that dies at start, hence the run. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync } from "node:fs";
import { renameSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { checkTouchedFiles } from "./touched-files.ts";

const root = resolve(import.meta.dir, "..");
const outDirectory = join(root, "build", "out");

/** Our name of a platform -> the bundler's name of its runtime. x64 is always *baseline*: the
 *  ordinary x64 runtime may need AVX2 and then dies on older machines and plain virtual ones. */
const targets: Record<string, string> = {
  "linux-x64-baseline": "bun-linux-x64-baseline",
  "linux-arm64": "bun-linux-arm64",
  "linux-x64-musl-baseline": "bun-linux-x64-musl-baseline",
  "darwin-arm64": "bun-darwin-arm64",
  "darwin-x64": "bun-darwin-x64",
  "windows-x64-baseline": "bun-windows-x64-baseline",
};

/** In this version of Bun the packages of x64 and x64-baseline hold the same bytes (compared), so
 *  the installed runtime *is* the baseline one. Any other version fetches the baseline by name. */
const versionWhoseX64IsBaseline = "1.4.5";

/** Longest time that the compiled program may take to print its version, in milliseconds. */
const versionTimeoutMs = 20_000;

class BuildError extends Error {}

interface Compilation {
  entry: string;
  out: string;
  /** The bundler's name of the target, or null for the machine that builds. */
  target: string | null;
}

function main(): void {
  const { values } = parseArgs({
    options: {
      targets: { type: "string" },
      entry: { type: "string", default: join(root, "src", "cli", "main.ts") },
      out: { type: "string" },
      force: { type: "boolean", default: false },
    },
  });
  const entry = resolve(values.entry);
  if (!existsSync(entry)) throw new BuildError(`there is no ${entry} to compile`);
  if (values.targets === undefined)
    buildHost(entry, resolve(values.out ?? hostOut()), values.force);
  else buildTargets(entry, values.targets);
}

/** Builds for this machine, unless what is there was made from the same sources. */
function buildHost(entry: string, out: string, force: boolean): void {
  const made = sourcesHash(entry);
  const hashFile = `${out}.sources`;
  if (!force && existsSync(out) && existsSync(hashFile)) {
    if (readFileSync(hashFile, "utf8") === made) return console.log(`${out} is up to date`);
  }
  const startedMs = Date.now();
  const fresh = `${out}.${process.pid}${process.platform === "win32" ? ".exe" : ".new"}`;
  mkdirSync(dirname(out), { recursive: true });
  try {
    compile({ entry, out: fresh, target: hostTarget() }, true);
    console.log(runVersion(fresh));
    console.log(checkTouchedFiles(fresh));
    rmSync(hashFile, { force: true });
    renameSync(fresh, out);
    writeFileSync(hashFile, made);
  } finally {
    rmSync(fresh, { force: true });
  }
  console.log(`${out}  ${megabytes(out)} MB  ${((Date.now() - startedMs) / 1000).toFixed(1)} s`);
}

/** Builds the named targets into build/out/release with their checksums. All are tried; those that
 *  could not be made are named at the end, and then the build has failed. */
function buildTargets(entry: string, list: string): void {
  const names = list === "all" ? Object.keys(targets) : list.split(",").map((name) => name.trim());
  const unknown = names.filter((name) => !(name in targets));
  if (unknown.length > 0) {
    const known = Object.keys(targets).join(", ");
    throw new BuildError(`unknown target ${unknown.join(", ")}; there are: all, ${known}`);
  }
  const directory = join(outDirectory, "release");
  mkdirSync(directory, { recursive: true });
  const failures: string[] = [];
  for (const name of names) {
    const out = join(directory, `raft-${name}${name.startsWith("windows") ? ".exe" : ""}`);
    try {
      rmSync(out, { force: true });
      compile({ entry, out, target: targets[name] ?? null }, false);
      if (runsHere(name)) console.log(runVersion(out), "\n" + checkTouchedFiles(out));
      console.log(
        `${basename(out)}  ${megabytes(out)} MB${runsHere(name) ? "" : "  (not run here)"}`,
      );
    } catch (error) {
      rmSync(out, { force: true });
      failures.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  const sums = readdirSync(directory)
    .filter((file) => file.startsWith("raft-"))
    .toSorted()
    .map((file) => `${sha256(readFileSync(join(directory, file)))}  ${file}\n`);
  writeFileSync(join(directory, "SHA256SUMS"), sums.join(""));
  console.log(`${join(directory, "SHA256SUMS")}: ${sums.length} files`);
  if (failures.length > 0) throw new BuildError(`not built:\n  ${failures.join("\n  ")}`);
}

/** Runs the bundler. With `ownRuntime` the runtime that is installed here goes into the file and
 *  nothing is downloaded; otherwise the bundler fetches the target's from the package registry. */
function compile(what: Compilation, ownRuntime: boolean): void {
  const isBaseline = process.arch !== "x64" || Bun.version === versionWhoseX64IsBaseline;
  const args = [
    "build",
    "--compile",
    "--bytecode",
    "--format=esm",
    "--no-compile-autoload-dotenv",
    "--no-compile-autoload-bunfig",
    `--define=RAFT_COMMIT=${JSON.stringify(commit())}`,
    ...(what.target === null ? [] : [`--target=${what.target}`]),
    ...(ownRuntime && isBaseline ? [`--compile-executable-path=${process.execPath}`] : []),
    what.entry,
    `--outfile=${what.out}`,
  ];
  const run = Bun.spawnSync([process.execPath, ...args], { cwd: root, stderr: "pipe" });
  const said = `${run.stdout}${run.stderr}`.trim();
  if (run.exitCode === 0 && existsSync(what.out) && !/^error/im.test(said)) return;
  if (/download|registry|network|failed to fetch|ENOTFOUND|ConnectionRefused/i.test(said)) {
    const wanted = what.target ?? "this machine";
    throw new BuildError(
      `the runtime for ${wanted} (Bun ${Bun.version}) cannot be fetched from the package registry ` +
        `that npm uses here; it is needed once and then kept.\n${said}`,
    );
  }
  throw new BuildError(`the bundler failed (exit ${run.exitCode}):\n${said}`);
}

function runVersion(file: string): string {
  const run = Bun.spawnSync([file, "version"], { timeout: versionTimeoutMs, stdin: "ignore" });
  const said = run.stdout.toString().trim();
  if (run.exitCode === 0 && said !== "") return `it runs: ${said.split("\n")[0]}`;
  const how = run.signalCode ?? `exit ${run.exitCode}`;
  throw new BuildError(
    `what was compiled does not run: \`raft version\` ended with ${how}\n` +
      `${said}\n${run.stderr.toString().trim()}`,
  );
}

/** The hash of everything that decides the executable's bytes. Tests build first: a build that has
 *  nothing to do must cost nothing. */
function sourcesHash(entry: string): string {
  const hash = createHash("sha256").update(`${Bun.version} ${commit()} ${entry}\n`);
  const files = [
    ...filesUnder(join(root, "src")),
    ...filesUnder(join(root, "build")).filter((file) => !file.startsWith(outDirectory)),
    join(root, "package.json"),
    join(root, "package-lock.json"),
    entry,
  ];
  for (const file of files.toSorted()) {
    hash.update(`${file}\n`).update(createHash("sha256").update(readFileSync(file)).digest());
  }
  return hash.digest("hex");
}

function filesUnder(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: "utf8" })
    .map((name) => join(directory, name))
    .filter((file) => statSync(file).isFile());
}

/** The commit that last changed what is compiled, with `+` behind it if the tree differs from it;
 *  "unknown" outside a repository. */
function commit(): string {
  const compiled = ["--", "src", "package-lock.json"];
  const git = (...args: string[]) => {
    try {
      const run = Bun.spawnSync(["git", ...args, ...compiled], { cwd: root, stderr: "ignore" });
      return run.exitCode === 0 ? run.stdout.toString().trim() : "";
    } catch {
      return "";
    }
  };
  const last = git("log", "-1", "--format=%h");
  return last === "" ? "unknown" : last + (git("status", "--porcelain") === "" ? "" : "+");
}

/** Null where there is only one kind of runtime for this machine. */
function hostTarget(): string | null {
  if (process.arch !== "x64" || process.platform === "darwin") return null;
  if (process.platform === "win32") return "bun-windows-x64-baseline";
  const isMusl = existsSync("/lib/ld-musl-x86_64.so.1");
  return isMusl ? "bun-linux-x64-musl-baseline" : "bun-linux-x64-baseline";
}

function runsHere(name: string): boolean {
  return hostTarget() === targets[name] || name === `${process.platform}-${process.arch}`;
}

function hostOut(): string {
  return join(outDirectory, process.platform === "win32" ? "raft.exe" : "raft");
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function megabytes(file: string): number {
  return Math.round(statSync(file).size / 1e6);
}

try {
  main();
} catch (error) {
  if (!(error instanceof Error)) throw error;
  console.error(`build: ${error.message}`);
  process.exitCode = 1;
}
