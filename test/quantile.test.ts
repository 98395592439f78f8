/** Parts of measured values. */
import { expect, it } from "vitest";
import { median, quantile } from "./quantile.ts";

it("the median is the middle value, or the mean of the two in the middle", () => {
  expect(median([5])).toBe(5);
  expect(median([40, 9, 100])).toBe(40);
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(median([])).toBeNaN();
});

it("a quantile lies on the line between its two neighbours", () => {
  const values = [30, 10, 20];
  expect([0, 0.25, 0.5, 0.9, 1].map((part) => quantile(values, part))).toEqual([
    ...[10, 15, 20, 28, 30],
  ]);
});
