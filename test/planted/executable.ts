/** The compiled executable with a planted bug in it, for tests that need real processes. It is made
 *  in a temporary directory and has nothing to do with the build that ships. */
import { join } from "node:path";
import type { Bug } from "./bug.ts";
import { bunPlugin, root } from "./planting.ts";

/** Compiles into `directory`; the executable's path. Throws when the bundler refuses. */
export async function buildPlanted(bug: Bug, directory: string): Promise<string> {
  const executable = join(directory, process.platform === "win32" ? "raft.exe" : "raft");
  const made = await Bun.build({
    entrypoints: [join(root, "src", "cli", "main.ts")],
    compile: { outfile: executable },
    plugins: [bunPlugin(bug)],
    define: { RAFT_COMMIT: JSON.stringify(`planted ${bug.name}`) },
  });
  if (!made.success)
    throw new Error(`${bug.name}: ${made.logs.map((log) => log.message).join("\n")}`);
  return executable;
}
