/** `npm run fix`: repairs what can be repaired by machine: lint, the width of comments, format. */
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { wrapComments } from "./wrap-comments.ts";

const root = resolve(import.meta.dir, "..");
const folders = ["src", "test", "build"];

function run(tool: string, ...args: string[]): void {
  const command = [join(root, "node_modules", ".bin", tool), ...args, ...folders];
  const { exitCode } = Bun.spawnSync(command, {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (exitCode !== 0) process.exitCode = exitCode;
}

run("oxlint", "-c", "build/oxlint.json", "--type-aware", "--fix");
run("oxfmt", "-c", "build/oxfmt.json", "!**/*.md");
for (const folder of folders) {
  for (const name of readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })) {
    if (!name.endsWith(".ts")) continue;
    const file = join(root, folder, name);
    const text = readFileSync(file, "utf8");
    const wrapped = wrapComments(text);
    if (wrapped !== text) writeFileSync(file, wrapped);
  }
}
