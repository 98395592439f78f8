/** What the machine itself takes: no cluster can be faster than that. */
import { measureFloors } from "../floor.ts";
import { FLOOR_NAMES } from "../floor-names.ts";
import type { Scenario } from "../scenario.ts";

export const floors: readonly Scenario[] = [
  {
    name: "floor",
    about: "the machine itself: fdatasync, loopback round trip, one seal, raw writes",
    main: true,
    settings: {},
    async run(bench) {
      const measured = await measureFloors(bench.directory);
      return {
        figures: FLOOR_NAMES.map(({ key, name, unit, better }) => ({
          ...{ name, unit, better },
          value: measured[key],
        })),
        verified: 0,
      };
    },
  },
];
