/** `raft version`: which executable this is. */

import type { RaftCommand } from "./command.ts";
import { FLAGS } from "./settings.ts";

/** Compiled in by the build; not there when run from source. */
declare const RAFT_COMMIT: string | undefined;

export const versionCommand: RaftCommand = {
  name: "version",
  summary: "shows which raft this is (also: raft --version)",
  words: { hint: "", min: 0, max: 0 },
  args: { json: FLAGS.json },
  examples: [
    ["version", "one line"],
    ["version --json", "for programs"],
  ],
  exits: [],
  async run(args, { terminal, version, machine: { platform } }) {
    const commit = typeof RAFT_COMMIT === "string" ? RAFT_COMMIT : null;
    const { arch } = process;
    const text =
      args["json"] === true
        ? JSON.stringify({ version, commit, platform, arch, bun: Bun.version })
        : `raft ${version} (${commit === null ? "" : `commit ${commit}, `}${platform} ${arch}, Bun ${Bun.version})`;
    await terminal.out(`${text}\n`);
    return 0;
  },
};
