/** The commands that this executable has. Each is loaded when it is asked for, so that a short
 *  one starts fast. */

import type { RaftCommand } from "./command.ts";

type Load = () => Promise<RaftCommand>;

/** By name, in the order of the bare screen. */
const COMMANDS: Readonly<Record<string, Load>> = {
  up: async () => (await import("./up.ts")).upCommand,
  send: async () => (await import("./send.ts")).sendCommand,
  log: async () => (await import("./log.ts")).logCommand,
  status: async () => (await import("./status.ts")).statusCommand,
  leader: async () => (await import("./leader.ts")).leaderCommand,
  stop: async () => (await import("./stop.ts")).stopCommand,
  transfer: async () => (await import("./transfer.ts")).transferCommand,
  members: async () => (await import("./members.ts")).membersCommand,
  wipe: async () => (await import("./wipe.ts")).wipeCommand,
  key: async () => (await import("./key.ts")).keyCommand,
  clusters: async () => (await import("./clusters.ts")).clustersCommand,
  simulate: async () => (await import("./simulate.ts")).simulateCommand,
  bench: async () => (await import("./bench.ts")).benchCommand,
  verify: async () => (await import("./verify.ts")).verifyCommand,
  version: async () => (await import("./version.ts")).versionCommand,
};

/** Other names of commands. */
const ALIASES: Readonly<Record<string, string>> = { down: "stop" };

/** What other programs call it: not taken, but understood. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  start: "up",
  run: "up",
  append: "send",
  add: "send",
  list: "log",
  show: "log",
  cat: "log",
  ps: "status",
  kill: "stop",
  init: "up",
  benchmark: "bench",
};

/** Every command's own name. */
export const COMMAND_NAMES: readonly string[] = Object.keys(COMMANDS);

/** Names and aliases: what may be typed. */
export const TYPED_NAMES: readonly string[] = [...COMMAND_NAMES, ...Object.keys(ALIASES)];

/** The command of that name or alias, or null. */
export async function loadCommand(typed: string): Promise<RaftCommand | null> {
  const name = Object.hasOwn(ALIASES, typed) ? ALIASES[typed] : typed;
  if (name === undefined || !Object.hasOwn(COMMANDS, name)) return null;
  return (await COMMANDS[name]?.()) ?? null;
}

/** The command that other programs call so, or null. */
export function meantBy(typed: string): string | null {
  return Object.hasOwn(OTHER_NAMES, typed) ? (OTHER_NAMES[typed] ?? null) : null;
}
