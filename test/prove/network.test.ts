/** A small share of the campaigns on networks and identities, so that they cannot rot; and that the
 *  relay is what it says: everything goes through it, and every fault is made. */
import { describe, expect, it, onTestFinished } from "vitest";
import { seededRandom } from "../../src/base/random.ts";
import { LibraryLoad } from "../bench/library-load.ts";
import { noLanReason } from "../e2e/lan.ts";
import { MISHAPS } from "./identity-mishaps.ts";
import { lossy, measure as loss } from "./loss.ts";
import { PartialCluster } from "./partial.ts";
import { RelayedCluster } from "./relayed.ts";

async function relayed(): Promise<RelayedCluster> {
  const cluster = await RelayedCluster.start(3, 1);
  onTestFinished(() => cluster.end());
  return cluster;
}

describe("a cluster behind a relay", () => {
  it("loses and doubles nothing where datagrams are lost, doubled at once and much later, overtaken, damaged and cut short", async () => {
    const { relay, client } = await relayed();
    await relay.set(relay.links(), {
      ...lossy(5),
      duplicatePercent: 10,
      duplicateAfterMs: 400,
      damagePercent: 5,
      truncatePercent: 3,
      jitterMs: 2,
    });
    const load = new LibraryLoad(client, 100);
    await load.run(64, 1);
    const counters = await relay.counters();
    for (const [name, count] of Object.entries(counters))
      if (!["cut", "overflowed", "strays"].includes(name)) expect(count, name).toBeGreaterThan(0);
    await relay.set(relay.links(), {});
    expect(await load.verify()).toBe(load.count);
  });

  it("is cut in pieces when the relay cuts: nobody leads, and it goes on when links are back", async () => {
    const { relay, client, leader } = await cutOff();
    await expect(client.send("nowhere", { timeoutMs: 1_500 })).rejects.toThrow();
    expect((await relay.counters()).cut).toBeGreaterThan(0);
    await relay.set(relay.links(), {});
    await client.send("again", { timeoutMs: 20_000 });
    expect((await client.leader({ wait: true, timeoutMs: 10_000 })).term).toBeGreaterThan(
      leader.term,
    );
  });

  it("keeps to a link's bandwidth", async () => {
    const { relay, client } = await relayed();
    await relay.set(relay.links(), { bytesPerSecond: 200_000 });
    const load = new LibraryLoad(client, 1_000);
    const { entriesPerSecond } = await load.run(60, 1);
    expect(entriesPerSecond).toBeGreaterThan(0);
    // Two followers, each behind its own link.
    expect(entriesPerSecond).toBeLessThan(400);
  });
});

async function cutOff() {
  const cluster = await relayed();
  const { relay, client } = cluster;
  const leader = await cluster.leader();
  await relay.set(relay.links(), { isCut: true });
  return { relay, client, leader };
}

describe("the campaigns", () => {
  it("measure what loss leaves", async () => {
    const figure = await loss.run({ target: 1, seconds: 1, seed: 1, progress: () => {} });
    // The figure itself is the scoreboard's: beside other tests it says little.
    expect(figure).toMatchObject({ done: 1 });
    expect(figure.text).toMatch(/64 outstanding: \d+% \/ \d+% of .*1000 outstanding/);
  });

  it.skipIf(noLanReason !== null)("hold a partly connected topology", async () => {
    const cluster = await PartialCluster.start(3);
    onTestFinished(() => cluster.end());
    expect(await cluster.hold(5, 3_000)).toBeNull();
  });

  it.each(["wiped disk", "founder wiped"])("put a cluster through a mishap: %s", async (kind) => {
    await MISHAPS[kind]?.(seededRandom(7));
  });
});
