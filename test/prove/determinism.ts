/** The same seed gives the same run, event for event, twice on Bun and once on Node: whoever reads
 *  "seed 4711" can replay it. */

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Budget, Figure, Measure } from "./measure.ts";

const SCRIPT = fileURLToPath(new URL("fingerprints.ts", import.meta.url));
/** Most seeds of one round; the first round has one. Time is looked at between rounds. */
const ROUND_MAX = 20;
/** A round is so long at most, as far as the round before can tell. */
const ROUND_MS_MAX = 10_000;

export const measure: Measure = {
  name: "determinism",
  title: "same seed, same hash of all events, on Bun and on Node",
  unit: "seeds",
  targets: { ci: 100, hour: 10_000 },
  demand: "all equal",
  weight: 5,
  unavailable: () => null,
  run,
};

async function run({ target, seconds, seed, progress }: Budget): Promise<Figure> {
  const endsMs = performance.now() + seconds * 1_000;
  const directory = mkdtempSync(join(tmpdir(), "raft-determinism-"));
  const failures: string[] = [];
  let done = 0;
  let size = 1;
  progress(`seeds from ${seed} on, each three times`);
  try {
    const bundle = await bundleForNode(directory);
    while (done < target && (done === 0 || performance.now() < endsMs)) {
      const startedMs = performance.now();
      const from = seed + done;
      const to = from + Math.min(size, target - done) - 1;
      const [once, onNode] = await Promise.all([
        lines(process.execPath, [SCRIPT, String(from), String(to)]),
        lines("node", [bundle, String(from), String(to)]),
      ]);
      const again = await lines(process.execPath, [bundle, String(from), String(to)]);
      for (let at = 0; at <= to - from; at++) {
        if (once[at] !== undefined && once[at] === onNode[at] && once[at] === again[at]) continue;
        failures.push(
          `seed ${from + at}: "${once[at]}" and "${again[at]}" on Bun, "${onNode[at]}" on Node ` +
            `(npx bun test/prove/fingerprints.ts ${from + at} ${from + at})`,
        );
      }
      done += to - from + 1;
      progress(`${done} seeds, the last of them ${to}; ${failures.length} differ`);
      const eachMs = (performance.now() - startedMs) / (to - from + 1);
      const roomMs = Math.min(ROUND_MS_MAX, endsMs - performance.now());
      size = Math.max(1, Math.min(ROUND_MAX, Math.floor(roomMs / eachMs)));
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
