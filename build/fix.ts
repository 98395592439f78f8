/** `npm run fix`: repairs what can be repaired by machine: lint, the width of comments, format. */
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dir, "..");
const folders = ["src", "test", "build"];
const columnsMax = 100;

function run(tool: string, ...args: string[]): void {
  const command = [join(root, "node_modules", ".bin", tool), ...args, ...folders];
  const { exitCode } = Bun.spawnSync(command, {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (exitCode !== 0) process.exitCode = exitCode;
}

/** Breaks comment lines that are wider than the page. The rest of such a line goes in front of the
 *  next one when that continues the sentence, else on a line of its own. Lists, drawings and blank
 *  lines are left as they are. */
export function wrapComments(source: string): string {
  const lines = source.split("\n");
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i] ?? "";
    const head = /^(\s*)(\/\*\*|\*|\/\/)( +)(?=\S)/.exec(line);
    if (line.length <= columnsMax || head === null || /https?:\S{60}/.test(line)) continue;
    const [lead, indent = "", mark = "", gap = ""] = head;
    const prefix = mark === "/**" ? `${indent} * ${gap}` : `${indent}${mark}${gap}`;
    const text = line.trimEnd().replace(/ \*\/$/, "");
    const cut = text.lastIndexOf(" ", columnsMax);
    if (cut <= lead.length) continue;
    const rest = line.slice(cut + 1);
    const next = lines[i + 1] ?? "";
    const closes = line.trimEnd().endsWith("*/");
    const continues =
      !closes && next.startsWith(prefix) && /^[\w`(§"']/.test(next.slice(prefix.length));
    lines[i] = line.slice(0, cut).trimEnd();
    if (continues) lines[i + 1] = `${prefix}${rest} ${next.slice(prefix.length)}`;
    else lines.splice(i + 1, 0, prefix + rest);
  }
  return lines.join("\n");
}

if (import.meta.main) {
  run("oxlint", "-c", "build/oxlint.json", "--type-aware", "--fix");
  run("oxfmt", "-c", "build/oxfmt.json");
  for (const folder of folders) {
    for (const name of readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })) {
      if (!name.endsWith(".ts")) continue;
      const file = join(root, folder, name);
      const text = readFileSync(file, "utf8");
      const wrapped = wrapComments(text);
      if (wrapped !== text) writeFileSync(file, wrapped);
    }
  }
}
