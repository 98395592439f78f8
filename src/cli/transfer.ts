/** `raft transfer`: another voter leads from now on, without a pause. */

import { parseNodeId, SettingsReader } from "./settings.ts";
import type { RaftCommand } from "./command.ts";
import { renderLeader } from "./leader.ts";
import { CLIENT_FLAGS, withClient } from "./with-client.ts";

export const transferCommand: RaftCommand = {
  name: "transfer",
  summary: "hands leadership to that voter, or to the one that is best caught up",
  words: { hint: "[ID]", min: 0, max: 1 },
  args: CLIENT_FLAGS,
  examples: [
    ["transfer", "to whoever is best caught up, before maintenance"],
    ["transfer 3", "to node 3"],
  ],
  exits: [3, 4, 5, 8, 130],
  async run(args, context) {
    const reader = new SettingsReader(args, context.machine.environment);
    const to = reader.word(args._[0], parseNodeId, null);
    reader.check();
    return withClient(args, context, async ({ client }) => {
      const leader = await client.transfer(to);
      await context.terminal.out(`${renderLeader(leader)}\n`);
      return 0;
    });
  },
};
