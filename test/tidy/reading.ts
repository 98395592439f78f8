/** Just enough reading of TypeScript for the tidy rules: no parser, sources formatted by oxfmt. */

/** The text without comments and without what stands in strings, import paths kept; line numbers
 *  stay. Regular expressions with quotes in them may be misread: the rules stay simple. */
export function codeOf(text: string): string {
  const token =
    /\/\*[\s\S]*?\*\/|(?<![:"'`\\])\/\/[^\n]*|(?:from|import\()\s*"[^"\n]*"|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'/g;
  return text.replace(token, (found) => {
    if (/^(from|import)/.test(found)) return found;
    return found.startsWith("/") ? found.replace(/[^\n]/g, " ") : '""';
  });
}

/** The specifiers of all imports and re-exports, dynamic ones too. */
export function importsOf(text: string): string[] {
  const pattern = /(?:^|[\s;}])(?:from|import)\s*\(?\s*"([^"\n]+)"/g;
  return [...text.matchAll(pattern)].map((match) => match[1] ?? "");
}

export function matches(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map((match) => match[0].trim());
}

/** Functions, methods and arrow functions that open a block at the end of a line, measured up to
 *  the closing brace at the same indentation, which formatted sources always have. */
export function functionsOf(text: string): { name: string; lines: number }[] {
  const lines = text.split("\n");
  const found: { name: string; lines: number }[] = [];
  for (const [start, line] of lines.entries()) {
    if (!line.endsWith("{") || !isFunctionHead(lines, start)) continue;
    const indent = /^\s*/.exec(line)?.[0] ?? "";
    const end = lines.findIndex((l, i) => i > start && l.startsWith(`${indent}}`));
    const size = (end === -1 ? lines.length : end) - start + 1;
    found.push({ name: line.trim().replace(/\s*\{$/, ""), lines: size });
  }
  return found;
}

function isFunctionHead(lines: string[], at: number): boolean {
  const line = (lines[at] ?? "").trim();
  if (/^(if|for|while|switch|else|do|try|catch|class|interface)\b|^\}/.test(line)) return false;
  return /\bfunction\b|=> \{$|^[\w\s#]*\w+(<.*>)?\(.*\).*\{$|^\).*\{$/.test(line);
}
