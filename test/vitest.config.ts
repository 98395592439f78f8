/** Unit tests run side by side on two threads; tests of the compiled executable start processes of
 *  their own, so they run after them, one file at a time, and may take longer. */
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import { vitePlugins } from "./planted/planting.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Files that start the compiled executable. */
const wholeProgram = ["test/e2e/**/*.test.ts", "test/prove/**/*.test.ts", "test/readme.test.ts"];

const common = { pool: "threads", environment: "node", passWithNoTests: false } as const;

export default defineConfig({
  root,
  test: {
    pool: "threads",
    maxWorkers: 2,
    reporters: ["default", ...(process.env.RAFT_TEST_JSON ? ["json"] : [])],
    ...(process.env.RAFT_TEST_JSON && { outputFile: { json: process.env.RAFT_TEST_JSON } }),
    projects: [
      {
        root,
        plugins: vitePlugins(),
        test: {
          ...common,
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: wholeProgram,
          testTimeout: 30_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        root,
        plugins: vitePlugins(),
        test: {
          ...common,
          name: "e2e",
          include: wholeProgram,
          testTimeout: 180_000,
          hookTimeout: 60_000,
          maxWorkers: 1,
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
