/** What `raft bench` prints, value by value. */
import { describe, expect, it } from "vitest";
import type { LoadFigures } from "../../src/bench/load.ts";
import { benchJson, renderBench, type BenchResult } from "../../src/cli/bench-table.ts";
import { plain } from "../../src/cli/terminal.ts";
import { lines } from "./context.ts";

const WISH = { outstanding: 64, rate: null, size: 100, seconds: 5, clients: 1 };
const OPEN = { ...WISH, outstanding: null, rate: 5_000, clients: 3 };

function result(changes: Partial<LoadFigures> = {}, problems: string[] = []): BenchResult {
  return {
    cluster: "raft",
    figures: {
      seconds: 5,
      entries: 156_021,
      entriesPerSecond: 31_204.2,
      bytesPerSecond: 3_120_420,
      timed: 156_021,
      unsent: 0,
      lateP50Us: 410,
      failure: null,
      ...{ leaderMoves: 0, longestPauseMs: 12.4, longestPauseAtMs: 3_104 },
      ...{ p50Us: 1_720.4, p90Us: 4_440, p99Us: 10_900, p999Us: 161_300, maxUs: 1_900_000 },
      ...changes,
    },
    verdict: { verified: 187_224 - problems.length, problems, problemCount: problems.length },
    acknowledged: 187_224,
    span: { firstIndex: 43, lastIndex: 187_266 },
  };
}

describe("raft bench", () => {
  it("tells the load, the figures and what became of the entries", () => {
    expect(renderBench(WISH, result(), plain)).toBe(
      lines(
        "cluster raft: 64 entries of 100 bytes under way from 1 client, 5.0 s",
        "",
        "ENTRIES/S  MB/S     P50     P90     P99    P99.9    MAX",
        "    31204  3.12  1.72ms  4.44ms  10.9ms  161.3ms  1.90s",
        "",
        "verified: all 187224 entries that were acknowledged are in the log, each once, at 43 to 187266;",
        "they stay there, 18.7 MB on each node",
      ),
    );
  });

  it("tells how often leadership moved, and the longest time without a receipt", () => {
    const paused = { longestPauseMs: 412.3, longestPauseAtMs: 3_180 };
    const line =
      "the longest time without a receipt was 412.3ms, 3.2 s after the measuring began\nverified:";
    const text = (leaderMoves: number): string =>
      renderBench(WISH, result({ leaderMoves, ...paused }), plain);
    expect(text(0)).toContain(`\n\n${line}`);
    expect(text(1)).toContain(`\n\nleadership moved once; ${line}`);
    expect(text(2)).toContain(`\n\nleadership moved 2 times; ${line}`);
    expect(renderBench(WISH, result({ leaderMoves: 1 }), plain)).toContain("was 12.4ms");
  });

  it("tells of an open loop that could not be followed", () => {
    const text = renderBench(OPEN, result({ entries: 20_000, timed: 25_000, unsent: 300 }), plain);
    expect(text).toContain("5000 entries of 100 bytes a second from 3 clients");
    expect(text).toContain("latencies are from the moment at which an entry was due");
    expect(text).toContain("80% of the rate was reached, 300 were due and never sent");
    const kept = renderBench(OPEN, result({ entries: 25_000 }), plain);
    expect(kept).not.toContain("of the rate");
  });

  it("never says verified of a log that is not as it was acknowledged", () => {
    const broken = result({}, ["entry 4 was acknowledged at 7 and is not in the log"]);
    expect(renderBench(WISH, broken, plain)).not.toContain("verified");
    expect(benchJson(WISH, broken, false)).toMatchObject({ verified: false });
    const fewer = { ...result(), verdict: { verified: 1, problems: [], problemCount: 0 } };
    expect(benchJson(WISH, fewer, false)).toMatchObject({ verified: false });
  });

  it("shows the figures of a load that could not be read back, and says that it is not verified", () => {
    const unread = { ...result({ seconds: 2.2 }), verdict: null };
    const text = renderBench(WISH, unread, plain);
    expect(text).toContain("under way from 1 client, 2.2 s of 5 s\n");
    expect(text).toMatch(/^ENTRIES\/S /m);
    expect(text).toMatch(
      /^NOT verified, the log could not be read back: \d+ entries acknowledged at \d+ to \d+;\nthey stay there/m,
    );
    expect(benchJson(WISH, unread, false)).toMatchObject({ verified: false, seconds: 2.2 });
  });

  it("shows no figures when nothing was measured", () => {
    const nothing = { ...result({ timed: 0 }), acknowledged: 0, span: null };
    expect(renderBench(WISH, nothing, plain)).toBe(
      lines(
        "cluster raft: 64 entries of 100 bytes under way from 1 client, nothing was measured",
        "",
        "nothing was acknowledged",
      ),
    );
    expect(benchJson(WISH, nothing, false)).toMatchObject({ p50Us: null, maxUs: null });
  });

  it("is one object for programs, latencies in microseconds", () => {
    expect(benchJson(WISH, result(), false)).toEqual({
      entriesPerSecond: 31_204,
      bytesPerSecond: 3_120_420,
      p50Us: 1_720.4,
      p90Us: 4_440,
      p99Us: 10_900,
      p999Us: 161_300,
      maxUs: 1_900_000,
      leaderMoves: 0,
      longestPauseUs: 12_400,
      longestPauseAtSeconds: 3.104,
      verified: true,
      cluster: "raft",
      clients: 1,
      size: 100,
      outstanding: 64,
      seconds: 5,
      entries: 156_021,
      acknowledged: 187_224,
      firstIndex: 43,
      lastIndex: 187_266,
      interrupted: false,
    });
    expect(benchJson(OPEN, result({ unsent: 2 }), true)).toMatchObject({
      rate: 5_000,
      unsent: 2,
      lateP50Us: 410,
      interrupted: true,
    });
  });
});
