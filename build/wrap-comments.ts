/** The one repair that the formatter leaves to people: comments wider than the page. */

const columnsMax = 100;

/** Breaks comment lines that are wider than the page. The rest of such a line goes in front of the
 *  next one when that continues the sentence, else on a line of its own. Drawings, which
 *  are indented, and blank lines are left as they are. */
export function wrapComments(source: string): string {
  const lines = source.split("\n");
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i] ?? "";
    const head = /^(\s*)(\/\*\*|\*|\/\/)( +)(?=\S)/.exec(line);
    if (line.length <= columnsMax || head === null || /https?:\S{60}/.test(line)) continue;
    if ((head[3] ?? "").length >= 4) continue;
    const [lead, indent = "", mark = "", gap = ""] = head;
    const prefix = mark === "/**" ? `${indent} * ${gap}` : `${indent}${mark}${gap}`;
    const text = line.trimEnd().replace(/ \*\/$/, "");
    const cut = text.lastIndexOf(" ", columnsMax);
    if (cut <= lead.length) continue;
    const rest = line.slice(cut + 1);
    const next = lines[i + 1] ?? "";
    const closes = line.trimEnd().endsWith("*/");
    const continues =
      !closes && next.startsWith(prefix) && /^[\w`(§"']/.test(next.slice(prefix.length));
    lines[i] = line.slice(0, cut).trimEnd();
    if (continues) lines[i + 1] = `${prefix}${rest} ${next.slice(prefix.length)}`;
    else lines.splice(i + 1, 0, prefix + rest);
  }
  return lines.join("\n");
}
