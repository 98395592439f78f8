/** The people who look after a cluster: they type their commands on one of its machines, and try
 *  again until what they want has come true. */

import type { Random } from "../../base/random.ts";
import type { NodeId } from "../../base/types.ts";
import type { RaftClient } from "../../client/client.ts";
import { RaftError } from "../../client/types.ts";
import type { Configuration } from "../../raft/types.ts";
import { readIdentity } from "../../storage/identity.ts";
import { pick } from "../chance.ts";
import type { Cluster } from "../cluster.ts";
import { budgetOf } from "./budget.ts";

/** One command of an operator, on a machine that runs just now. `whom` is not asked. */
export async function command(
  cluster: Cluster,
  random: Random,
  whom: NodeId,
  type: (client: RaftClient, timeoutMs: number) => Promise<unknown>,
): Promise<void> {
  const running = [...cluster.machines.values()].filter((at) => at.running && at.id !== whom);
  if (running.length === 0) return;
  const timeoutMs = cluster.electionMs * 10;
  const customer = cluster.addCustomer({ timeoutMs }, pick(random, running).host);
  try {
    const client = await customer.connect();
    await type(client, timeoutMs);
    await client.close();
  } catch (error) {
    // Not done, or unknown: whoever wants it looks and types it again.
    if (!(error instanceof RaftError)) throw error;
  }
  customer.end();
}

/** Until machine `id` is a voter under the identity that its disk has now; it then counts as good
 *  again. */
export function bringBack(cluster: Cluster, random: Random, id: NodeId): void {
  const again = (): void => bringBack(cluster, random, id);
  const later = (): void => void cluster.schedule.at(cluster.nowMs + cluster.electionMs * 2, again);
  const incarnation = incarnationOf(cluster, id);
  const configuration = committedConfiguration(cluster);
  if (incarnation === null || configuration === null) return later();
  const member = configuration.members.find((each) => each.id === id);
  if (member?.incarnation === incarnation && member.role === "voter") {
    budgetOf(cluster).release(id);
    return cluster.tell(`node ${id} is a voter again`);
  }
  void command(cluster, random, id, (client, timeoutMs) => {
    if (member === undefined) return client.addMember(id, { timeoutMs });
    if (member.incarnation === incarnation) return client.promoteMember(id, { timeoutMs });
    return client.replaceMember(id, { timeoutMs });
  }).then(later);
}

/** Null when the disk has no identity. */
export function incarnationOf(cluster: Cluster, id: NodeId): string | null {
  const disk = cluster.machines.get(id)?.disk;
  const identity = disk?.spare(() => readIdentity(disk)) ?? null;
  return identity?.ok === true ? identity.identity.incarnation : null;
}

/** As the newest leader knows it, if it has committed it; else null. */
function committedConfiguration(cluster: Cluster): Configuration | null {
  const cores = [...cluster.machines.values()].flatMap(({ process }) => {
    const core = process?.member?.core;
    return core?.role === "leader" ? [core] : [];
  });
  const newest = cores.toSorted((a, b) => b.term - a.term)[0];
  if (newest === undefined || newest.configuration.index > newest.commitIndex) return null;
  return newest.termAt(newest.commitIndex) === newest.term ? newest.configuration : null;
}

/** True once every founder is a member: before that a wiped one may end the founding, as the design
 *  says. */
export function isFounded(cluster: Cluster): boolean {
  for (let id = 1; id <= cluster.plan.nodes; id++) {
    const disk = cluster.machines.get(id)?.disk;
    const read = disk?.spare(() => readIdentity(disk)) ?? null;
    if (read?.ok !== true || !read.identity.member) return false;
  }
  return true;
}
