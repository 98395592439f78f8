/** The same seed gives the same run, event for event, twice on Bun and once on Node: whoever reads
 *  "seed 4711" can replay it. */

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Budget, Figure, Measure } from "./measure.ts";

const SCRIPT = fileURLToPath(new URL("fingerprints.ts", import.meta.url));
/** Seeds of one round; time is looked at between rounds. */
const ROUND = 20;

export const measure: Measure = {
  name: "determinism",
  title: "same seed, same hash of all events, on Bun and on Node",
  unit: "seeds",
  targets: { ci: 100, hour: 10_000 },
  demand: "all equal",
  weight: 3,
  unavailable: () => null,
  run,
};

async function run({ target, seconds, seed, progress }: Budget): Promise<Figure> {
  const endsMs = performance.now() + seconds * 1_000;
  const directory = mkdtempSync(join(tmpdir(), "raft-determinism-"));
  const failures: string[] = [];
  let done = 0;
  try {
    const bundle = await bundleForNode(directory);
    while (done < target && performance.now() < endsMs) {
      const from = seed + done;
      const to = from + Math.min(ROUND, target - done) - 1;
      const [once, onNode] = await Promise.all([
        lines(process.execPath, [SCRIPT, String(from), String(to)]),
        lines("node", [bundle, String(from), String(to)]),
      ]);
      const again = await lines(process.execPath, [bundle, String(from), String(to)]);
      for (let at = 0; at <= to - from; at++) {
        if (once[at] !== undefined && once[at] === onNode[at] && once[at] === again[at]) continue;
        failures.push(
          `seed ${from + at}: "${once[at]}" and "${again[at]}" on Bun, "${onNode[at]}" on Node ` +
            `(bun test/prove/fingerprints.ts ${from + at} ${from + at})`,
        );
      }
      done += to - from + 1;
      progress(`${done} seeds, ${failures.length} differ`);
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  const bad = failures.length;
  return { done, bad, ok: bad === 0, text: `${bad} of ${done} differ`, failures };
}

/** One file for Node 20, which neither reads TypeScript nor has Bun's own modules; the simulator
 *  imports those but never calls them. */
async function bundleForNode(directory: string): Promise<string> {
  const result = await Bun.build({
    entrypoints: [SCRIPT],
    outdir: directory,
    naming: "fingerprints.mjs",
    target: "node",
    format: "esm",
    plugins: [
      {
        name: "no modules of Bun",
        setup(build) {
          build.onResolve({ filter: /^bun:/ }, ({ path }) => ({ path, namespace: "absent" }));
          build.onLoad({ filter: /.*/, namespace: "absent" }, () => ({
            contents: "export const dlopen = undefined, Database = undefined;",
            loader: "js",
          }));
        },
      },
    ],
  });
  if (!result.success) throw new Error(result.logs.map(String).join("\n"));
  return join(directory, "fingerprints.mjs");
}

function lines(command: string, args: readonly string[]): Promise<readonly string[]> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] });
    let text = "";
    child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
    child.once("error", reject);
    child.once("close", () => resolve(text.split("\n").filter((line) => line !== "")));
  });
}
