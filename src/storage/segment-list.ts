/** The segments that make up the log now, oldest first; the last one is written to. */

import { assert } from "../base/assert.ts";
import type { LogIndex } from "../base/types.ts";
import type { SegmentFile } from "./segment-file.ts";

/** Files of old segments that stay open. */
const OPEN_FILES_MAX = 8;

/** Where the terms and configurations begin that the head of a segment behind `held` has to tell: a
 *  head that was written while damage hid them tells none, so the next one tells its share too. */
export function toldFrom(held: readonly SegmentFile[]): LogIndex {
  return held.findLast(({ head }) => head.derived !== null)?.firstIndex ?? 0;
}

export class SegmentList {
  private items: SegmentFile[];
  /** Least recently read first. */
  private readonly openOld: SegmentFile[] = [];

  constructor(segments: readonly SegmentFile[]) {
    this.items = [...segments];
  }

  get all(): readonly SegmentFile[] {
    return this.items;
  }

  get first(): SegmentFile {
    const first = this.items[0];
    assert(first !== undefined, "a log has a segment");
    return first;
  }

  get current(): SegmentFile {
    const current = this.items.at(-1);
    assert(current !== undefined, "a log has a segment");
    return current;
  }

  /** The one that holds `index`, if the log does. */
  of(index: LogIndex): SegmentFile | undefined {
    let low = 0;
    let high = this.items.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.items[middle]?.firstIndex ?? 0) <= index) low = middle + 1;
      else high = middle;
    }
    return this.items[low - 1];
  }

  /** Makes `segment` the one in use; gives back those that it replaces, to be deleted once it is
   *  durable. */
  enter(segment: SegmentFile): readonly SegmentFile[] {
    const isGone = (old: SegmentFile): boolean => {
      return old.firstIndex >= segment.firstIndex || old.firstIndex < segment.head.logStart;
    };
    const gone = this.items.filter(isGone);
    this.items = this.items.filter((old) => !isGone(old));
    const last = this.items.at(-1);
    last?.endBefore(segment.firstIndex, segment.head.chainBefore);
    if (last !== undefined) this.read(last);
    this.items.push(segment);
    return gone;
  }

  /** Notes that a segment was read: few files stay open, the others are opened again when somebody
   *  reads them. */
  read(segment: SegmentFile): void {
    const at = this.openOld.indexOf(segment);
    if (at >= 0) this.openOld.splice(at, 1);
    this.openOld.push(segment);
    if (this.openOld.length <= OPEN_FILES_MAX) return;
    const oldest = this.openOld.shift();
    if (oldest !== this.current) oldest?.close();
  }

  close(): void {
    for (const segment of this.items) segment.close();
  }
}
