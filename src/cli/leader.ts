/** `raft leader`: who leads. A hint; what fences is the term. */

import { addressText } from "../base/hosts.ts";
import type { LeaderAnswer } from "../client/types.ts";
import { RaftError } from "../client/types.ts";
import type { CommandContext, RaftCommand } from "./command.ts";
import { FLAGS } from "./settings.ts";
import { CLIENT_FLAGS, withClient, type ClientSession } from "./with-client.ts";

export const leaderCommand: RaftCommand = {
  name: "leader",
  summary: "shows which node leads, where, and in which term",
  notes: ["It is a hint: the next moment another may lead. The term rises with every leader."],
  words: { hint: "", min: 0, max: 0 },
  args: { wait: FLAGS.wait, json: FLAGS.json, ...CLIENT_FLAGS },
  examples: [
    ["leader", "now"],
    ["leader --wait --timeout 30s", "in a script, before the first send"],
    ["leader --json", '{"id":2,"address":"10.0.0.5:7402","term":7}'],
  ],
  exits: [3, 4, 130],
  async run(args, context) {
    return withClient(args, context, async (session) => {
      const leader =
        args["wait"] === true
          ? await waitForLeader(session, context)
          : await session.client.leader();
      await context.terminal.out(
        `${args["json"] === true ? leaderJson(leader) : renderLeader(leader)}\n`,
      );
      return 0;
    });
  },
};

/** "2  term 7, 10.0.0.5:7402" */
export function renderLeader({ id, address, term }: LeaderAnswer): string {
  return `${id}  term ${term}${address === null ? "" : `, ${addressText(address)}`}`;
}

function leaderJson({ id, address, term }: LeaderAnswer): string {
  return JSON.stringify({
    id,
    address: address === null ? null : addressText(address),
    term,
  });
}

/** Without --timeout for as long as it takes. */
async function waitForLeader(
  session: ClientSession,
  { signal }: CommandContext,
): Promise<LeaderAnswer> {
  for (;;) {
    try {
      return await session.client.leader({ wait: true });
    } catch (error) {
      const isTooEarly =
        error instanceof RaftError && (error.exitCode === 3 || error.exitCode === 4);
      if (!isTooEarly || session.timeoutGiven || signal.aborted) throw error;
    }
  }
}
