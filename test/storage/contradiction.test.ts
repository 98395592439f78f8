/** What heads tell together is looked through at a start: only a bug can have made it wrong. */

import { expect, it } from "vitest";
import { MemoryDisk } from "../../src/storage/memory-disk.ts";
import { decodeSegmentHead, encodeSegmentHead } from "../../src/storage/segment-head.ts";
import { appendText, create, flushed, open, tryOpen } from "./fixture.ts";

it("heads that contradict each other about terms are damage: no node votes by a wrong last term", async () => {
  const disk = new MemoryDisk();
  create(disk);
  const { log } = open(disk);
  for (const term of [1, 2, 3]) {
    appendText(log, term, ["x"]);
    await flushed(log);
  }
  disk.crash();
  open(disk).log.close();
  const name = disk.list().findLast((file) => file.endsWith(".log")) ?? "";
  const file = disk.open(name, false);
  const head = decodeSegmentHead(file.readSync(0, 4_096));
  if (typeof head === "string" || head.derived === null) throw new Error("a head that tells");
  expect([head.termBefore, head.derived.runs.length]).toEqual([2, 2]);
  const told = head.derived;
  const rewrite = (runs: typeof told.runs): void => {
    file.writeSync(0, encodeSegmentHead({ ...head, derived: { ...told, runs } }));
    file.syncNow();
  };
  const reasonNow = (): unknown => {
    const opened = tryOpen(disk);
    return opened.ok ? "none" : [opened.problem, opened.reason];
  };
  // As if the second term had begun behind this head; as if the first had begun with entry 2.
  rewrite(told.runs.map((run, at) => (at === 1 ? { ...run, term: 1 } : run)));
  const both = "entry 2 is of term 2 by this one, and of term 1 by those before";
  expect(reasonNow()).toEqual(["damaged", `heads contradict each other: ${both}`]);
  rewrite(told.runs.map((run, at) => (at === 0 ? { ...run, firstIndex: 2 } : run)));
  const none = "none tells the term of entry 1";
  expect(reasonNow()).toEqual(["damaged", `heads contradict each other: ${none}`]);
  rewrite(told.runs);
  expect(reasonNow()).toBe("none");
});
