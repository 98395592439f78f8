/** What a node makes of a configuration that a member shows it. */

import { describe, expect, it } from "vitest";
import type { NodeEvent } from "../../src/node/events.ts";
import { Founding, type FoundingOptions } from "../../src/node/founding.ts";
import type { Configuration } from "../../src/raft/types.ts";
import type { DiscoveryReport } from "../../src/discovery/types.ts";
import { openKey } from "../../src/transport/key.ts";
import type { NodeHello } from "../../src/transport/types.ts";

const OWN = "4".repeat(32);
const NOBODY = { type: "nothing" } as unknown as DiscoveryReport;

function configuration(index: number, ids: readonly number[]): Configuration {
  const members = ids.map((id) => {
    return { id, incarnation: String(id).repeat(32), role: "voter" as const };
  });
  return { index, members };
}

/** Node 4, a member of cluster A or of none. */
function setUp(own: Configuration | null): {
  founding: Founding;
  core: { configuration: Configuration | null };
  show: (clusterId: string, shown: Configuration) => void;
  look: (nowMs: number) => void;
  events: NodeEvent[];
  admitted: string[];
  foundedMs: number[];
} {
  const core = { configuration: own, reportLeftOut: () => undefined };
  const events: NodeEvent[] = [];
  const admitted: string[] = [];
  const foundedMs: number[] = [];
  const time = { nowMs: 0 };
  const options = {
    options: { id: 4, key: openKey("raft") },
    clock: { monotonicMs: () => time.nowMs, wallMs: () => time.nowMs },
    formation: {
      founders: [1, 2, 3],
      processes: new Map(),
      view: () => ({ standing: "member", obstacles: [], founders: [], waitingFor: [] }),
      admits: () => true,
      admitted: () => undefined,
    },
    directory: {
      clusterId: "A",
      identity: { foundedMs: 0 },
      writeFounding: (_: unknown, atMs: number) => void foundedMs.push(atMs),
      becomeMember: () => undefined,
    },
    endpoint: { connections: () => [], helloChanged: () => undefined },
    neighbours: {},
    incarnation: OWN,
    member: () => (own === null ? null : { core, log: { lastIndex: 9 } }),
    startMember: (record: { cluster: string }) => void admitted.push(record.cluster),
    ownHosts: () => [],
    emit: (event: NodeEvent) => void events.push(event),
  };
  const founding = new Founding(options as unknown as FoundingOptions);
  return {
    founding,
    core,
    events,
    admitted,
    foundedMs,
    show: (clusterId, shown) => {
      const hello = { clusterId, member: true, founding: { cluster: clusterId }, foundedMs: 42 };
      founding.takeFence(hello as unknown as NodeHello, {
        type: "fence",
        clusterId,
        term: 1,
        configuration: shown,
      });
    },
    look: (nowMs) => {
      time.nowMs = nowMs;
      founding.look(NOBODY, nowMs);
    },
  };
}

describe("a shown configuration", () => {
  it("of one cluster does not hide that of another, which lets this node in", () => {
    const { show, admitted, founding } = setUp(null);
    show("A", configuration(50, [1, 2, 3]));
    expect(founding.isOutside).toBe(true);
    show("B", configuration(7, [1, 2, 3]));
    show("B", configuration(3, [1, 2, 3, 4]));
    expect(admitted).toEqual([]);
    show("B", configuration(8, [1, 2, 3, 4]));
    expect([admitted, founding.isOutside]).toEqual([["B"], false]);
  });

  it("that lets this node in gives it the time of the founding, which was before", () => {
    const { show, foundedMs, look } = setUp(null);
    look(5_000);
    show("B", configuration(8, [1, 2, 3, 4]));
    expect(foundedMs).toEqual([42]);
  });

  it("that removed this node is over when its log names it again, and a second removal is told", () => {
    const { show, look, core, events, founding } = setUp(configuration(0, [1, 2, 3, 4]));
    show("A", configuration(5, [1, 2, 3]));
    look(2_000);
    expect(events).toMatchObject([{ type: "removed", index: 5 }]);
    core.configuration = configuration(6, [1, 2, 3, 4]);
    look(3_000);
    expect(founding.isOutside).toBe(false);
    show("A", configuration(7, [1, 2, 3]));
    look(5_000);
    expect(events).toMatchObject([{ index: 5 }, { type: "removed", index: 7 }]);
  });
});
