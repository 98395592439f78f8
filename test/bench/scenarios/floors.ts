/** What the machine itself takes: no cluster can be faster than that. */
import { measureFloors } from "../floor.ts";
import { higher, lower, type Scenario } from "../scenario.ts";

export const floors: readonly Scenario[] = [
  {
    name: "floor",
    about: "the machine itself: fdatasync, loopback round trip, one seal, raw writes",
    main: true,
    settings: {},
    async run(bench) {
      const floor = await measureFloors(bench.directory);
      return {
        figures: [
          lower("fdatasync", floor.fdatasyncMs, "ms"),
          lower("fdatasync of three", floor.fdatasyncOfThreeMs, "ms"),
          lower("round trip", floor.roundTripMs, "ms"),
          lower("sealed round trip", floor.sealedRoundTripMs, "ms"),
          lower("one entry", floor.entryMs, "ms"),
          lower("seal and open", floor.sealedDatagramUs, "us"),
          higher("raw write", floor.writeMBps, "MB/s"),
        ],
        verified: 0,
      };
    },
  },
];
