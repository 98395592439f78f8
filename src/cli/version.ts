/** `raft version`: which executable this is. */

import type { RaftCommand } from "./command.ts";

export const versionCommand: RaftCommand = {
  name: "version",
  summary: "shows which raft this is (also: raft --version)",
  words: { hint: "", min: 0, max: 0 },
  args: {},
  examples: [["version", "one line"]],
  exits: [],
  async run(_args, { terminal, version, machine }) {
    await terminal.out(
      `raft ${version} (${machine.platform} ${process.arch}, Bun ${Bun.version})\n`,
    );
    return 0;
  },
};
