/** The latencies of a load, to three digits. */
import { expect, it } from "vitest";
import { LatencyHistogram } from "../../src/bench/histogram.ts";

it("percentiles are right to three digits, the largest value is kept", () => {
  const histogram = new LatencyHistogram();
  for (let value = 1; value <= 100_000; value++) histogram.record(value / 1_000);
  const { p50Us, p90Us, p99Us, p999Us, maxUs } = histogram.percentiles();
  for (const [found, right] of [
    [p50Us, 50_000],
    [p90Us, 90_000],
    [p99Us, 99_000],
    [p999Us, 99_900],
    [maxUs, 100_000],
  ] as const)
    expect(Math.abs(found - right) / right).toBeLessThan(0.001);
  expect(histogram.count).toBe(100_000);
});

it("no percentile is above the largest value", () => {
  const histogram = new LatencyHistogram();
  histogram.record(40.8228);
  const { maxUs, ...others } = histogram.percentiles();
  for (const value of Object.values(others)) expect(value).toBe(maxUs);
});

it("what is below a nanosecond or above an hour is recorded all the same", () => {
  const histogram = new LatencyHistogram();
  histogram.record(-1);
  histogram.record(1e9);
  expect(histogram.count).toBe(2);
  expect(histogram.percentiles().maxUs).toBeGreaterThan(3.59e9);
});

it("nothing recorded is all zeros", () => {
  expect(new LatencyHistogram().percentiles()).toEqual({
    p50Us: 0,
    p90Us: 0,
    p99Us: 0,
    p999Us: 0,
    maxUs: 0,
  });
});
