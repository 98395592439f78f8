/** `npm run bench`: three nodes of the compiled executable on loopback, fdatasync on, everything
 *  sealed, default settings; one client in this process, through the public library; entries per
 *  second and latency by how many are outstanding. What was written is read back and compared.
 *
 *      npm run bench -- --outstanding 1,64,1000 --seconds 5 --size 100 --dir DIR --json */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { openKey, RaftClient } from "../../src/index.ts";
import { fileSystemOf, measureFloor, type Floor } from "./floor.ts";
import { type Level, Load } from "./load.ts";

const NODES = 3;
const READY_MS = 60_000;

const root = fileURLToPath(new URL("../..", import.meta.url));
const executable = process.env["RAFT_EXECUTABLE"] ?? join(root, "build/out/raft");

interface Settings {
  outstanding: number[];
  seconds: number;
  size: number;
  json: boolean;
  /** Where the data directories are made. */
  dir: string;
}

function readSettings(): Settings {
  const { values } = parseArgs({
    options: {
      outstanding: { type: "string", default: "1,64,1000" },
      seconds: { type: "string", default: "5" },
      size: { type: "string", default: "100" },
      json: { type: "boolean", default: false },
      dir: { type: "string", default: realDisk() },
    },
  });
  const settings = {
    outstanding: values.outstanding.split(",").map(Number),
    seconds: Number(values.seconds),
    size: Number(values.size),
    json: values.json,
    dir: values.dir,
  };
  const numbers = [...settings.outstanding, settings.seconds, settings.size];
  if (!numbers.every((number) => number > 0)) throw new Error("every number is above 0");
  return settings;
}

/** The temporary folder, unless it is memory: then the build's own. */
function realDisk(): string {
  return fileSystemOf(tmpdir()) === "tmpfs" ? join(root, "build/out") : tmpdir();
}

/** `raft up --local 3` in a directory of its own; resolves when the cluster takes entries. */
async function startNodes(directory: string, cluster: string): Promise<ChildProcess> {
  const args = ["up", "--local", String(NODES), "--cluster", cluster, "--data-dir", directory];
  const up = spawn(executable, args, { stdio: ["ignore", "ignore", "pipe"] });
  const said: string[] = [];
  await new Promise<void>((resolve, reject) => {
    const fail = (why: string) => reject(new Error(`${why}:\n${said.join("\n")}`));
    const timer = setTimeout(() => fail("not founded in time"), READY_MS);
    up.once("error", reject);
    up.once("exit", (code) => fail(`the nodes ended with ${code}`));
    createInterface({ input: up.stderr }).on("line", (line) => {
      said.push(line);
      if (!/\bready:/.test(line)) return;
      clearTimeout(timer);
      resolve();
    });
  });
  up.removeAllListeners("exit");
  return up;
}

async function stopNodes(up: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => up.once("exit", resolve));
  up.kill("SIGTERM");
  await ended;
}

function show(
  settings: Settings,
  floor: Floor,
  levels: readonly Level[],
  verified: number,
): string {
  const cells = levels.map(({ outstanding, entriesPerSecond, p50Ms, p99Ms, maxMs }) => [
    outstanding.toLocaleString("en"),
    entriesPerSecond.toLocaleString("en"),
    ...[p50Ms, p99Ms, maxMs].map((ms) => `${ms.toFixed(2)} ms`),
  ]);
  const table = [["outstanding", "entries/s", "p50", "p99", "max"], ...cells].map((row) =>
    row.map((cell) => cell.padStart(12)).join(""),
  );
  return [
    `${NODES} nodes and one client on this machine, entries of ${settings.size} bytes, fdatasync on, sealed`,
    `floor: fdatasync ${floor.fdatasyncMs} ms (${floor.fileSystem}), loopback round trip ${floor.roundTripMs} ms`,
    "",
    ...table,
    "",
    `verified: all ${verified.toLocaleString("en")} acknowledged entries are in the log, once, at their index`,
  ].join("\n");
}

const settings = readSettings();
const directory = mkdtempSync(join(settings.dir, "raft-bench-"));
const cluster = `bench-${process.pid}`;
let nodes: ChildProcess | null = null;
try {
  const floor = await measureFloor(directory);
  nodes = await startNodes(directory, cluster);
  const client = await RaftClient.connect({ key: openKey(cluster), loopbackOnly: true });
  const load = new Load(client, settings.size);
  const levels: Level[] = [];
  for (const outstanding of settings.outstanding) {
    levels.push(await load.run(outstanding, settings.seconds));
  }
  const verified = await load.verify();
  await client.close();
  const report = { nodes: NODES, entryBytes: settings.size, floor, levels, verified };
  console.log(settings.json ? JSON.stringify(report) : show(settings, floor, levels, verified));
} finally {
  if (nodes !== null) await stopNodes(nodes);
  rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
}
