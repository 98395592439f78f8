/** `raft log --follow`: every entry once and in order, whoever leads. */
import { describe, expect, it } from "vitest";
import { cluster, until } from "./harness.ts";
import { clientOf, leaderOf } from "./observe.ts";

const ENTRIES = 1_500;

describe("raft log --follow", () => {
  it("misses nothing and repeats nothing while leaders die and hand over", async () => {
    const { world, nodes } = await cluster(3);
    await world.must(["send", "0"]);
    const followers = [
      world.start(["log", "--follow", "--raw"]),
      world.start(["log", "--follow", "--raw", "--node", "2"]),
    ];
    for (const follower of followers) await follower.waitForLine(/^0$/);
    const client = await clientOf(world, { timeoutMs: 20_000 });
    for (let number = 1; number < ENTRIES; number++) {
      await client.send(String(number));
      if (number === 500) await world.must(["transfer"]);
      if (number === 1_000) {
        const { id } = await leaderOf(world);
        await nodes[id - 1]?.kill();
        if (id === 2) nodes[1] = world.up(2);
      }
    }
    const expected = Array.from({ length: ENTRIES }, (_, number) => String(number));
    for (const follower of followers) {
      await until("the last entry", () => follower.stdoutLines.length >= ENTRIES);
      expect(follower.stdoutLines).toEqual(expected);
      expect(await follower.stop("SIGINT")).toBe(0);
    }
  });

  it("begins with the last entries when asked to, and shows new ones at once", async () => {
    const { world } = await cluster(3);
    await world.must(["send", "-q", "-"], { stdin: "a\nb\nc\n" });
    const follower = world.start(["log", "-f", "-n", "2", "--raw"]);
    await follower.waitForLine(/^c$/);
    expect(follower.stdoutLines).toEqual(["b", "c"]);
    await world.must(["send", "d"]);
    await follower.waitForLine(/^d$/, 2_000);
    expect(await follower.stop("SIGINT")).toBe(0);
  });
});
