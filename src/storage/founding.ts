/** The founding record as bytes, and the cluster id that follows from it. */

import { createHash } from "node:crypto";
import type { ClusterId, FoundingRecord } from "../base/types.ts";
import type { Member } from "../raft/types.ts";
import type { DerivedHead } from "./segment-head.ts";

/** The canonical text of a founding record; `printf ... | sha256sum` gives the cluster id:
 *
 *      raft founding 1\n
 *      NAME\n
 *      ID INCARNATION\n            one line a founder, sorted by id
 *      parent none\n               or: parent CLUSTERID INDEX TERM CHAIN\n   (decimal numbers) */
export function foundingText(record: FoundingRecord): string {
  const founders = [...record.founders].sort((a, b) => a.id - b.id);
  const lines = founders.map((founder) => `${founder.id} ${founder.incarnation}\n`).join("");
  const from = record.parent;
  const parent =
    from === null ? "none" : `${from.clusterId} ${from.index} ${from.term} ${from.chain}`;
  return `raft founding 1\n${record.cluster}\n${lines}parent ${parent}\n`;
}

/** The first 16 bytes of SHA-256 over name and record, as hex. */
export function clusterIdOf(record: FoundingRecord): ClusterId {
  return createHash("sha256").update(foundingText(record)).digest("hex").slice(0, 32);
}

/** The configuration that a founding record puts in force: every founder a voter. */
export function foundingMembers(record: FoundingRecord): readonly Member[] {
  const founders = [...record.founders].sort((a, b) => a.id - b.id);
  return founders.map(({ id, incarnation }) => ({ id, incarnation, role: "voter" as const }));
}

/** What lies before the first entry. */
export function foundingHead(record: FoundingRecord): DerivedHead {
  const configurations = [{ index: 0, members: foundingMembers(record) }];
  return {
    lastUserIndex: 0,
    forgottenAt: 0,
    runs: [],
    configurations,
    sessions: new Uint8Array(0),
  };
}
