/** The sides of a comparison: three servers of one kind on this machine, with their own defaults.
 *  `ours.ts`, `etcd.ts` and `nats.ts` are sides; what servers of other people need to start and end
 *  is here. */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { delimiter, join } from "node:path";
import { Running } from "../../e2e/world.ts";
import type { Numbers } from "./entry.ts";

export interface Side {
  /** As typed behind `--against`, and in the report. */
  readonly name: string;
  /** What a reader must know to compare: settings, and what is promised with them. */
  readonly about: string;
  /** How `verify` looks at what is there. */
  readonly checked: string;
  /** Why it cannot run here, in words that say what to install; null when it can. */
  unavailable(): string | null;
  version(): string;
  /** Starts three servers with their data under `directory`; resolves when they take entries. */
  start(directory: string): Promise<Servers>;
}

export interface Servers {
  /** Their processes. */
  readonly pids: readonly number[];
  /** What a client in another process connects to: of other people's servers the one that leads,
   *  so that no entry is passed on. */
  readonly target: Target;
  /** How many entries were read back, or counted where it says so. Throws when the servers do not
   *  hold exactly the entries of `runs`. */
  verify(size: number, runs: readonly Numbers[]): Promise<number>;
  /** Ends them. The data stays. */
  stop(): Promise<void>;
}

/** Where entries are to go, in words that can be handed to another process. */
export type Target =
  | { readonly side: "etcd" | "nats"; readonly port: number }
  | {
      readonly side: "ours";
      readonly cluster: string;
      readonly peers: readonly string[];
      readonly multicastPort: number;
    };

const SERVERS = 3;
const ids = Array.from({ length: SERVERS }, (_, at) => at + 1);

/** Starts one server of each id, with its arguments and a directory of its own. */
export function startServers(
  command: string,
  directory: string,
  argumentsOf: (id: number, own: string) => readonly string[],
): Running[] {
  return ids.map((id) => {
    const own = join(directory, String(id));
    mkdirSync(own, { recursive: true });
    return new Running(spawn(command, argumentsOf(id, own), { cwd: own, stdio: "pipe" }));
  });
}

/** Ends what `startServers` started, as a person would. */
export async function stopServers(servers: readonly Running[]): Promise<void> {
  await Promise.all(servers.map((server) => server.stop()));
}

/** The path of an installed command: in the folders of PATH, and in the `sbin` beside each `bin`,
 *  which a person's PATH leaves out. */
export function installed(command: string): string | null {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return (
    folders
      .flatMap((folder) => [folder, folder.replace(/bin\/?$/, "sbin")])
      .map((folder) => join(folder, command))
      .find((path) => existsSync(path)) ?? null
  );
}
