/** The middle, and other parts, of what was measured. */

/** The middle of the values: of an even number the mean of the two in the middle. NaN: there are
 *  none. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** What `part` of the values, 0 to 1, do not exceed; between two of them on the line from one to
 *  the other. NaN: there are none. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * part;
  const below = sorted[Math.floor(at)] ?? NaN;
  const above = sorted[Math.ceil(at)] ?? NaN;
  return below === above ? below : below + (above - below) * (at - Math.floor(at));
}
