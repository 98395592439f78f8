/** The load of the benchmark, on virtual time, against a cluster that does what it is told. */
import { describe, expect, it } from "vitest";
import { EntryForm } from "../../src/bench/entries.ts";
import { Load, type LoadTarget } from "../../src/bench/load.ts";
import { VirtualTime } from "../client/virtual-time.ts";

const SIZE = 40;
/** So large that few may be under way at once. */
const LARGE = 512 << 10;
const LARGE_UNDER_WAY = 96;

/** Acknowledges after `latencyMs`, and nothing at all while it stands still. */
class FakeCluster implements LoadTarget {
  readonly time = new VirtualTime();
  readonly log: { index: number; bytes: Uint8Array }[] = [];
  readonly latencyMs: number;
  still: { readonly fromMs: number; readonly toMs: number } | null = null;
  /** The entry of this number fails. */
  failsAt = Infinity;
  underWay = 0;
  underWayMost = 0;

  constructor(latencyMs: number) {
    this.latencyMs = latencyMs;
  }

  get clock() {
    const { time } = this;
    return {
      monotonicMs: () => time.nowMs,
      wallMs: () => 0,
      after: (delayMs: number, run: () => void) => time.after(delayMs, run),
      soon: (run: () => void) => void time.after(0, run),
    };
  }

  send(entry: Uint8Array): Promise<{ index: number; term: number }> {
    this.underWay++;
    this.underWayMost = Math.max(this.underWayMost, this.underWay);
    const bytes = entry.slice(0, SIZE);
    const doneMs = this.time.nowMs + this.latencyMs;
    const { fromMs, toMs } = this.still ?? { fromMs: Infinity, toMs: Infinity };
    const atMs = doneMs >= fromMs && doneMs < toMs ? toMs : doneMs;
    return new Promise((resolve, reject) => {
      this.time.after(atMs - this.time.nowMs, () => {
        this.underWay--;
        const index = this.log.length + 1;
        if (index >= this.failsAt) return reject(new Error("no leader"));
        this.log.push({ index, bytes });
        resolve({ index, term: this.time.nowMs < toMs ? 3 : 5 });
      });
    });
  }

  load(targets: readonly LoadTarget[] = [this], size = SIZE, entriesMax = 1e9): Load {
    const form = new EntryForm("k3f9q", size);
    return new Load({ targets, form, clock: this.clock, entriesMax });
  }

  async *read() {
    yield* this.log;
  }
}

describe("a closed loop", () => {
  it("keeps that many entries under way, and counts those of the measured time", async () => {
    const cluster = new FakeCluster(2);
    const load = cluster.load();
    const figures = await cluster.time.settled(load.closed({ outstanding: 8, seconds: 1 }));
    expect(cluster.underWayMost).toBe(8);
    // 8 entries every 2 ms; the first half of a second is no part of it.
    expect(figures).toMatchObject({ seconds: 1, entries: 4_000, entriesPerSecond: 4_000 });
    expect(figures.bytesPerSecond).toBe(4_000 * SIZE);
    expect(figures.p50Us).toBeCloseTo(2_000, -1);
    // And those under way at its end.
    expect(figures.timed).toBe(4_008);
    expect(load.written.acknowledged).toBe(cluster.log.length);
    expect(load.written.acknowledged).toBe(6_000);
  });

  it("tells when no receipt came for longest, and how often a later term gave them", async () => {
    const cluster = new FakeCluster(2);
    cluster.still = { fromMs: 1_200, toMs: 1_440 };
    const load = cluster.load();
    const figures = await cluster.time.settled(load.closed({ outstanding: 8, seconds: 1 }));
    expect(figures).toMatchObject({ leaderMoves: 1, longestPauseMs: 242, longestPauseAtMs: 698 });
    const calm = await cluster.time.settled(load.closed({ outstanding: 8, seconds: 1 }));
    expect(calm).toMatchObject({ leaderMoves: 0, longestPauseMs: 2 });
  });

  it("counts a pause in full that runs over either end of the measured time", async () => {
    for (const isOpen of [false, true]) {
      const cluster = new FakeCluster(2);
      const load = cluster.load();
      const run = () =>
        cluster.time.settled(
          isOpen
            ? load.open({ rate: 1_000, seconds: 1 })
            : load.closed({ outstanding: 8, seconds: 1 }),
        );
      cluster.still = { fromMs: 1_400, toMs: 2_000 };
      const last = await run();
      expect(last).toMatchObject({ seconds: 1, leaderMoves: 1, entries: isOpen ? 900 : 3_600 });
      expect(last.longestPauseMs).toBeCloseTo(602, -1);
      expect(last.longestPauseAtMs).toBeCloseTo(898, -1);
      expect(last.maxUs / 1_000).toBeCloseTo(602, -1);
      const startMs = cluster.time.nowMs + 500;
      cluster.still = { fromMs: startMs - 300, toMs: startMs + 100 };
      // A rate is measured from when an entry was due: those before the measured time are not.
      const [first, heldMs] = [await run(), isOpen ? 100 : 402];
      expect(first.maxUs / 1_000).toBeCloseTo(heldMs, -1);
    }
  });

  it("tells its phases, the last one too, whoever ends it", async () => {
    for (const stopMs of [null, 700, 100]) {
      const cluster = new FakeCluster(1);
      const load = cluster.load();
      const phases: string[] = [];
      load.onPhase = (phase) => void phases.push(phase);
      if (stopMs !== null) cluster.time.after(stopMs, () => load.stop());
      await cluster.time.settled(load.closed({ outstanding: 2, seconds: 1 }));
      const measured = stopMs === 100 ? [] : ["measuring"];
      expect(phases).toEqual(["warming up", ...measured, "waiting for the last receipts"]);
    }
  });

  it("shares the entries among its sessions", async () => {
    const cluster = new FakeCluster(1);
    const shares = [0, 0, 0];
    const targets = shares.map((_, at) => ({
      send(entry: Uint8Array) {
        shares[at] = (shares[at] ?? 0) + 1;
        return cluster.send(entry);
      },
    }));
    await cluster.time.settled(cluster.load(targets).closed({ outstanding: 6, seconds: 0.1 }));
    expect(Math.max(...shares)).toBe(Math.min(...shares));
  });

  it("ends early when it is stopped, with the figures so far", async () => {
    const cluster = new FakeCluster(1);
    const load = cluster.load();
    cluster.time.after(3_000, () => load.stop());
    const figures = await cluster.time.settled(load.closed({ outstanding: 1, seconds: 10 }));
    expect(figures.seconds).toBe(2);
    expect(figures.entriesPerSecond).toBeCloseTo(1_000, -1);
    expect(cluster.underWay).toBe(0);
  });

  it("ends early when it has sent as many entries as it may", async () => {
    for (const isOpen of [false, true]) {
      const cluster = new FakeCluster(1);
      const load = cluster.load([cluster], SIZE, 5_000);
      const running = isOpen
        ? load.open({ rate: 10_000, seconds: 10 })
        : load.closed({ outstanding: 10, seconds: 10 });
      const figures = await cluster.time.settled(running);
      expect(load.written.acknowledged).toBeGreaterThanOrEqual(5_000);
      expect(load.written.acknowledged).toBeLessThan(5_020);
      expect(figures.seconds).toBe(0);
      expect(figures.failure).toBe(null);
    }
  });

  it("ends with the first entry that fails, and says so", async () => {
    const cluster = new FakeCluster(1);
    cluster.failsAt = 2_000;
    const load = cluster.load();
    const figures = await cluster.time.settled(load.closed({ outstanding: 1, seconds: 10 }));
    expect(figures.failure?.message).toBe("no leader");
    expect(figures.entries).toBeGreaterThan(900);
    expect(load.written.acknowledged).toBe(1_999);
    expect(await load.written.verify(cluster.read())).toMatchObject({ verified: 1_999 });
  });

  it("measures nothing when it is stopped before it has warmed up", async () => {
    const cluster = new FakeCluster(1);
    const load = cluster.load();
    cluster.time.after(100, () => load.stop());
    const figures = await cluster.time.settled(load.closed({ outstanding: 1, seconds: 10 }));
    expect(figures).toMatchObject({ seconds: 0, entries: 0, entriesPerSecond: 0, p50Us: 0 });
  });

  it("loses one latency to a pause, which is why there is an open loop", async () => {
    const cluster = new FakeCluster(1);
    cluster.still = { fromMs: 1_000, toMs: 1_200 };
    const figures = await cluster.time.settled(
      cluster.load().closed({ outstanding: 1, seconds: 1 }),
    );
    expect(figures.p99Us).toBeLessThan(1_100);
    expect(figures.maxUs).toBeGreaterThan(199_000);
  });
});

describe("an open loop", () => {
  it("sends at its rate", async () => {
    const cluster = new FakeCluster(2);
    const figures = await cluster.time.settled(cluster.load().open({ rate: 500, seconds: 2 }));
    expect(figures).toMatchObject({ timed: 1_000, unsent: 0 });
    expect(figures.entriesPerSecond).toBeCloseTo(500, -1);
    expect(figures.p999Us).toBeCloseTo(2_000, -1);
  });

  it("counts a pause of 200 ms for everything that was due in it", async () => {
    const cluster = new FakeCluster(1);
    cluster.still = { fromMs: 1_000, toMs: 1_200 };
    const figures = await cluster.time.settled(cluster.load().open({ rate: 1_000, seconds: 1 }));
    // 200 of 1,000 entries were due while it stood still, waiting from 200 ms down to 1.
    expect(figures.timed).toBe(1_000);
    expect(figures.maxUs).toBeGreaterThan(199_000);
    expect(figures.p99Us).toBeGreaterThan(185_000);
    expect(figures.p90Us).toBeGreaterThan(90_000);
    expect(figures.p50Us).toBeLessThan(1_100);
  });

  it("counts what it could not send because too much was under way", async () => {
    const cluster = new FakeCluster(1);
    cluster.still = { fromMs: 1_000, toMs: 61_000 };
    const load = cluster.load([cluster], LARGE);
    cluster.time.after(3_000, () => load.stop());
    const figures = await cluster.time.settled(load.open({ rate: 200, seconds: 4 }), 100_000);
    expect(cluster.underWayMost).toBe(LARGE_UNDER_WAY);
    // Due in the two measured seconds: all of it is in the percentiles, sent or not.
    expect(figures).toMatchObject({ seconds: 2, timed: 400, unsent: 400 - LARGE_UNDER_WAY });
    expect(figures.p50Us).toBeGreaterThan(990_000);
  });

  it("gives up what is due when it has fallen behind by as long as it measures", async () => {
    const cluster = new FakeCluster(500);
    const load = cluster.load([cluster], LARGE);
    const figures = await cluster.time.settled(load.open({ rate: 1_000, seconds: 2 }), 100_000);
    // 96 every half second, for five seconds, and then the answers to the last of them.
    expect(figures).toMatchObject({ seconds: 2, timed: 2_000, entriesPerSecond: 192 });
    expect(figures.unsent).toBe(3_000 - 10 * LARGE_UNDER_WAY);
    expect(figures.maxUs).toBeGreaterThan(3_000_000);
  });
});
