/** Where a planted bug gets into sources that are being loaded: a plugin for vitest and one for Bun
 *  and its bundler. Without the flag both leave everything as it is. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { PLANT_FLAG, filesOf, plantInto } from "./bug.ts";
import type { Bug } from "./bug.ts";
import { BUGS } from "./bugs.ts";

export const root = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");

/** The bug that the environment asks for, or null. Throws for a name that there is not. */
export function plantedBug(environment: Readonly<Record<string, string | undefined>>): Bug | null {
  const name = environment[PLANT_FLAG];
  if (name === undefined || name === "") return null;
  return bugNamed(name);
}

export function bugNamed(name: string): Bug {
  const bug = BUGS.find((candidate) => candidate.name === name);
  if (bug === undefined) throw new Error(`there is no planted bug "${name}"`);
  return bug;
}

/** A file as it is on the disk, with the bug in it. */
export function plantedSource(bug: Bug, file: string): string {
  return plantInto(bug, file, readFileSync(resolve(root, file), "utf8"));
}

/** For vitest: none without the flag. */
export function vitePlugins(): {
  readonly name: string;
  readonly enforce: "pre";
  readonly transform: (code: string, id: string) => string | null;
}[] {
  const bug = plantedBug(process.env);
  if (bug === null) return [];
  return [
    {
      name: `planted ${bug.name}`,
      enforce: "pre",
      transform: (code, id) => {
        const file = filesOf(bug).find((path) => resolve(root, path) === id.split("?")[0]);
        return file === undefined ? null : plantInto(bug, file, code);
      },
    },
  ];
}

/** For `Bun.plugin` and `Bun.build`. */
export function bunPlugin(bug: Bug): Bun.BunPlugin {
  return {
    name: `planted ${bug.name}`,
    setup: (build) => {
      for (const file of filesOf(bug)) {
        const path = resolve(root, file).replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
        build.onLoad({ filter: new RegExp(`${path}$`) }, () => ({
          contents: plantedSource(bug, file),
          loader: "ts",
        }));
      }
    },
  };
}
