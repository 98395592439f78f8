/** `raft members`: who belongs to the cluster, and changes of it, one voter at a time. */

import { addressText } from "../base/hosts.ts";
import type { NodeId } from "../base/types.ts";
import type { ClusterStatus, StatusRow } from "../client/types.ts";
import type { RaftCommand } from "./command.ts";
import { FLAGS, parseNodeId, SettingsReader } from "./settings.ts";
import { renderTable, type Column } from "./table.ts";
import { plain, type Paint } from "./terminal.ts";
import { CLIENT_FLAGS, withClient, type ClientSession } from "./with-client.ts";

/** With what other programs call them. */
const ACTIONS = {
  add: ["join", "new"],
  promote: [],
  remove: ["rm", "del", "delete"],
  replace: [],
} as const;
type Action = keyof typeof ACTIONS;

export const membersCommand: RaftCommand = {
  name: "members",
  summary: "shows the members, or changes them",
  notes: [
    "add: the node, which must be running, copies the log as a learner and votes once it has caught up.",
    "replace: the member's data is gone; the node that waits under its id takes its place.",
  ],
  words: {
    hint: "[add | promote | remove | replace ID]",
    min: 0,
    max: 2,
    firstOf: ACTIONS,
  },
  args: { learner: FLAGS.learner, json: FLAGS.json, ...CLIENT_FLAGS },
  examples: [
    ["members", "the table"],
    ["members add 4", "let node 4 in, which runs and waits outside"],
    ["members remove 2", "node 2 is no member any more"],
    ["members replace 2", "node 2 was wiped or reinstalled"],
  ],
  exits: [3, 4, 5, 8, 130],
  async run(args, context) {
    const [action, idText] = args._;
    const reader = new SettingsReader(args, context.machine.environment);
    const id = reader.word(idText, parseNodeId, null);
    if (action !== undefined && idText === undefined)
      reader.problems.push(`which node?  ${context.executable} members ${action} ID`);
    if (args["learner"] === true && action !== "add")
      reader.problems.push("--learner goes with add");
    reader.check();
    return withClient(args, context, async (session) => {
      if (action !== undefined && id !== null)
        await change(session, action as Action, id, args["learner"] === true);
      const status = await session.client.status();
      const text =
        args["json"] === true
          ? membersJson(status)
          : renderMembers(status, context.terminal.paintOut);
      await context.terminal.out(`${text}\n`);
      return 0;
    });
  },
};

async function change(
  { client, timeoutMs, timeoutGiven }: ClientSession,
  action: Action,
  id: NodeId,
  learner: boolean,
): Promise<void> {
  // Unless told otherwise a new voter may take as long as it needs to catch up.
  const options = timeoutGiven ? { timeoutMs } : {};
  switch (action) {
    case "add":
      await client.addMember(id, { learner, ...options });
      return;
    case "promote":
      await client.promoteMember(id, options);
      return;
    case "remove":
      await client.removeMember(id, options);
      return;
    case "replace":
      await client.replaceMember(id, options);
  }
}

/** Before founding nobody is a member; founders may not even run yet. */
function memberText({ member, role }: StatusRow, founded: boolean): string {
  if (member !== "none") return member;
  return founded || role === "outside" ? "waits outside" : "founder";
}

const columns = (founded: boolean): readonly Column<StatusRow>[] => [
  { title: "ID", align: "right", cell: (row) => String(row.id) },
  { title: "MEMBER", align: "left", cell: (row) => memberText(row, founded) },
  { title: "ROLE", align: "left", cell: (row) => (row.stopped ? "stopped" : row.role) },
  {
    title: "LAST",
    align: "right",
    cell: (row) => (row.lastIndex === null ? "-" : String(row.lastIndex)),
  },
  {
    title: "ADDRESS",
    align: "left",
    cell: (row) => (row.address === null ? "-" : addressText(row.address)),
  },
  { title: "HOST", align: "left", cell: (row) => row.host ?? "-" },
];

/** Members first, then those who wait outside. */
export function renderMembers(status: ClusterStatus, paint: Paint = plain): string {
  return renderTable(columns(status.founded), sorted(status), paint);
}

function sorted(status: ClusterStatus): readonly StatusRow[] {
  return status.rows.toSorted(
    (a, b) => Number(a.member === "none") - Number(b.member === "none") || a.id - b.id,
  );
}

function membersJson(status: ClusterStatus): string {
  const rows = sorted(status).map(({ id, member, role, address, host }) => ({
    id,
    member,
    role,
    address: address === null ? null : addressText(address),
    host,
  }));
  return JSON.stringify({ cluster: status.cluster, members: rows });
}
