/** `npm run check`: everything that can be told without running the program. It never writes;
 *  `npm run fix` does. All checks run, then the failed ones are named. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dir, "..");
const folders = ["src", "test", "build"];
const bin = (name: string) => join(root, "node_modules", ".bin", name);

/** Longest time for one check, in milliseconds. */
const timeoutMs = 300_000;

const bunTest = [process.execPath, "--bun", bin("vitest"), "run", "--pool=threads"];

const checks: [name: string, command: string[]][] = [
  ["types", [bin("tsc"), "--noEmit", "-p", "tsconfig.json"]],
  ["types of the core, which has no runtime", [bin("tsc"), "--noEmit", "-p", "src/raft"]],
  ["lint", [bin("oxlint"), "-c", "build/oxlint.json", "--type-aware", ...folders]],
  ["format", [bin("oxfmt"), "-c", "build/oxfmt.json", "--check", ...folders, "!**/*.md"]],
  ["unused exports", [bin("knip"), "--config", "build/knip.json", "--no-progress"]],
  [
    "the rules of the house",
    [...bunTest, "--config", "test/vitest.config.ts", "test/tidy.test.ts"],
  ],
];

const failed: string[] = [];
for (const [name, command] of checks) {
  const startedMs = performance.now();
  if (!existsSync(command[0] ?? "")) throw new Error(`${command[0]} is missing: npm ci`);
  const run = Bun.spawnSync(command, {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
    timeout: timeoutMs,
  });
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  console.log(`${run.exitCode === 0 ? "ok    " : "FAILED"}  ${name}  (${seconds} s)`);
  if (run.exitCode === 0) continue;
  failed.push(name);
  console.log(`${run.stdout}${run.stderr}`);
}
console.log(failed.length === 0 ? "check: all good" : `check: FAILED: ${failed.join("; ")}`);
process.exitCode = failed.length === 0 ? 0 : 1;
