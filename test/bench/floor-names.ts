/** What the machine's floors are called in reports, in their order. */
import type { Floors } from "./floor.ts";
import type { Better } from "./scenario.ts";

interface FloorName {
  readonly key: keyof Floors;
  /** Beside other figures. */
  readonly name: string;
  /** In a list of their own. */
  readonly about: string;
  readonly unit: string;
  readonly better: Better;
}

export const FLOOR_NAMES: readonly FloorName[] = [
  floor("fdatasyncMs", "fdatasync", "one fdatasync into a preallocated file", "ms"),
  floor("fdatasyncOfThreeMs", "fdatasync of three", "the same with three writers at once", "ms"),
  floor("roundTripMs", "round trip", "one round trip over loopback", "ms"),
  floor("sealedRoundTripMs", "sealed round trip", "one sealed round trip", "ms"),
  floor("entryMs", "one entry", "floor of one entry: three writers + two sealed round trips", "ms"),
  floor("sealedDatagramUs", "seal and open", "one datagram sealed and opened, CPU", "us"),
  {
    ...floor("writeMBps", "raw write", "raw sequential write, synced at the end", "MB/s"),
    better: "higher",
  },
];

function floor(key: keyof Floors, name: string, about: string, unit: string): FloorName {
  return { key, name, about, unit, better: "lower" };
}
