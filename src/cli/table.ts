/** Tables that fit a terminal: columns two spaces apart, the last one cut when a line would be
 *  too long. Pure. */

import type { Colour, Paint } from "./terminal.ts";
import { cutText, textColumns } from "./wording.ts";

/** No table is wider than this. */
export const TABLE_COLUMNS_MAX = 100;
const GAP = "  ";
/** The last column is never cut below this. */
const LAST_COLUMN_MIN = 8;

export interface Column<Row> {
  readonly title: string;
  readonly align: "left" | "right";
  readonly cell: (row: Row) => string;
  readonly colour?: (row: Row) => Colour | null;
}

/** Header and rows, without a final newline and without spaces at the ends of lines. */
export function renderTable<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  paint: Paint,
): string {
  const cells = rows.map((row) => columns.map((column) => column.cell(row)));
  const widths = columns.map((column, at) =>
    Math.max(column.title.length, ...cells.map((line) => textColumns(line[at] ?? ""))),
  );
  // An id column of one digit still has the width of its title, so only the last column can give
  // way.
  const before = widths.slice(0, -1).reduce((sum, width) => sum + width + GAP.length, 0);
  const lastMax = Math.max(LAST_COLUMN_MIN, TABLE_COLUMNS_MAX - before);
  widths[widths.length - 1] = Math.min(widths.at(-1) ?? 0, lastMax);
  const line = (texts: readonly string[], painted: (text: string, at: number) => string): string =>
    texts
      .map((text, at) => {
        const width = widths[at] ?? 0;
        const cut = cutText(text, at === texts.length - 1 ? width : TABLE_COLUMNS_MAX);
        const space = " ".repeat(Math.max(0, width - textColumns(cut)));
        return columns[at]?.align === "right" ? space + painted(cut, at) : painted(cut, at) + space;
      })
      .join(GAP)
      .trimEnd();
  const header = line(
    columns.map((column) => column.title),
    (text) => paint("bold", text),
  );
  const body = rows.map((row, rowAt) =>
    line(cells[rowAt] ?? [], (text, at) => {
      const colour = columns[at]?.colour?.(row) ?? null;
      return colour === null ? text : paint(colour, text);
    }),
  );
  return [header, ...body].join("\n");
}
