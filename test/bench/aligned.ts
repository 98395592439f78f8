/** Tables of text, and numbers with their nouns. */

/** "1 round", "2 rounds". */
export function counted(count: number, noun: string): string {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}

/** Columns as wide as they must be, two spaces apart: the first `texts` of them to the left, the
 *  others, which are numbers, to the right. */
export function aligned(rows: readonly (readonly string[])[], texts: number): readonly string[] {
  const widths = (rows[0] ?? []).map((_, at) =>
    Math.max(...rows.map((cells) => (cells[at] ?? "").length)),
  );
  const padded = (cell: string, at: number) =>
    at < texts ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0);
  return rows.map((cells) => cells.map(padded).join("  ").trimEnd());
}
