/** `raft version`: which executable this is. */

import type { RaftCommand } from "./command.ts";

/** Compiled in by the build; not there when run from source. */
declare const RAFT_COMMIT: string | undefined;

export const versionCommand: RaftCommand = {
  name: "version",
  summary: "shows which raft this is (also: raft --version)",
  words: { hint: "", min: 0, max: 0 },
  args: {},
  examples: [["version", "one line"]],
  exits: [],
  async run(_args, { terminal, version, machine }) {
    const commit = typeof RAFT_COMMIT === "string" ? `commit ${RAFT_COMMIT}, ` : "";
    await terminal.out(
      `raft ${version} (${commit}${machine.platform} ${process.arch}, Bun ${Bun.version})\n`,
    );
    return 0;
  },
};
