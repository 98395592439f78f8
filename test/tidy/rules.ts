/** The rules that `test/tidy.test.ts` holds, each with violations planted to prove that it sees. */
import { dirname, join } from "node:path/posix";
import { codeOf, functionsOf, importsOf, matches } from "./reading.ts";

export interface Rule {
  sentence: string;
  /** What is wrong with the file at `path` (relative to the root, with slashes), in words. */
  check: (path: string, text: string) => string[];
  /** Files that break the rule: path and text. */
  planted: [path: string, text: string][];
  /** Files that look similar and keep it. */
  allowed: [path: string, text: string][];
}

/** What a layer may import beside itself; anything further down is reached through these rows. */
const mayImport: Record<string, string[]> = {
  base: [],
  raft: ["base"],
  transport: ["raft", "base"],
  discovery: ["raft", "base"],
  storage: ["raft", "base"],
  node: ["transport", "discovery", "storage", "raft", "base"],
  client: ["transport", "discovery", "storage", "raft", "base"],
  sim: ["transport", "discovery", "storage", "raft", "base"],
  bench: ["transport", "discovery", "storage", "raft", "base"],
  cli: ["node", "client", "sim", "bench", "transport", "discovery", "storage", "raft", "base"],
};

/** Imports between folders of one layer, each with its reason. */
const sideways: Record<string, string> = {
  "discovery -> transport": "beacons and HELLO are sealed and packed as every datagram is",
  "sim -> node": "a simulated cluster runs the real node on virtual edges",
  "sim -> client": "and loads it through the real client",
  "client -> node": "the library starts nodes and shares their request types",
};

/** An edge of the program: what touches the world there, and the only files that may. */
const edges: { what: string; pattern: RegExp; files: string[] }[] = [
  {
    what: "opens a UDP socket",
    pattern: /from "(node:)?dgram"|\bBun\.udpSocket\b/,
    files: ["src/transport/udp-socket.ts", "src/discovery/multicast-socket.ts"],
  },
  {
    what: "serves HTTP or opens a TCP socket",
    pattern: /from "(node:)?(https?|net|http2|tls)"|\bBun\.(serve|listen|connect)\b/,
    files: ["src/node/http.ts"],
  },
  {
    what: "touches files",
    pattern: /from "(node:)?fs(\/promises)?"|\bBun\.(file|write)\b/,
    files: ["src/storage/real-disk.ts"],
  },
  {
    what: "calls native code or SQLite",
    pattern: /from "bun:(ffi|sqlite)"/,
    files: ["src/storage/lock.ts", "src/storage/real-disk.ts", "src/storage/full-sync.ts"],
  },
  {
    what: "reads a clock",
    pattern:
      /\bDate\.now\b|\bnew Date\(\)|\bperformance\.now\b|\bprocess\.hrtime\b|\bBun\.nanoseconds\b/,
    files: ["src/transport/clock.ts"],
  },
  {
    what: "ends the process",
    pattern: /\bprocess\.(exit|abort|reallyExit)\b/,
    files: ["src/cli/main.ts"],
  },
  {
    what: "throws dice",
    pattern: /\bMath\.random\b|\brandom(Bytes|UUID|Int|Fill)|\bgetRandomValues\b/,
    files: ["src/transport/dice.ts"],
  },
];

/** What the pure folders may not know: the runtime. */
const runtimeNames = [
  ...["Date", "Buffer", "process", "performance", "console", "Bun", "globalThis", "fetch"],
  ...["crypto", "setTimeout", "setInterval", "setImmediate", "queueMicrotask"],
];
const runtime = new RegExp(
  `\\b(${runtimeNames.join("|")})\\s*[.([]|\\bMath\\.random\\b|\\bawait\\b|from "(node|bun):`,
  "g",
);

/** Files of src/base that are allowed one runtime module; src/raft must not import these. */
const impureBase: string[] = [];

const linesMax = 450;
const columnsMax = 100;
const drawingColumnsMax = 120;
const functionLinesMax = 80;
const bannedNames = /^(utils?|helpers?|misc|common|shared|lib|stuff)$/i;

export const rules: Rule[] = [
  {
    sentence: "imports go downwards only",
    check: checkImports,
    planted: [
      ["src/raft/a.ts", 'import { b } from "../storage/b.ts";'],
      ["src/base/a.ts", 'import type { b } from "../raft/b.ts";'],
      ["src/storage/a.ts", 'export { b } from "../transport/b.ts";'],
      ["src/node/a.ts", 'const b = await import("../cli/b.ts");'],
      ["src/raft/a.ts", 'import { pack } from "msgpackr/pack";'],
      ["src/transport/a.ts", 'import {\n  a,\n  b,\n} from "../node/b.ts";'],
      ["src/cli/a.ts", 'import { b } from "../../test/b.ts";'],
      ["src/cli/a.ts", 'import { b } from "./b";'],
      ["src/transport/a.ts", 'import { pack } from "msgpackr";'],
    ],
    allowed: [
      ["src/raft/a.ts", 'import { assert } from "../base/assert.ts";'],
      ["src/cli/a.ts", 'import { b } from "../node/b.ts";'],
      ["src/discovery/a.ts", 'import { seal } from "../transport/seal.ts";'],
    ],
  },
  {
    sentence: "the core and its base know no runtime",
    check: (path, text) =>
      /^src\/(raft|base)\/.*\.ts$/.test(path) && !impureBase.includes(path)
        ? matches(codeOf(text), runtime).map((found) => `uses ${found}`)
        : [],
    planted: [
      ["src/raft/a.ts", "const now = Date.now();"],
      ["src/raft/a.ts", "const t = setTimeout(f, 1);"],
      ["src/base/a.ts", "const b = Buffer.alloc(1);"],
      ["src/base/a.ts", 'import { crc32 } from "node:zlib";'],
      ["src/raft/a.ts", "const r = Math.random();"],
    ],
    allowed: [
      ["src/raft/a.ts", "// The process (or Date.now()) is not known here.\nconst process1 = 1;"],
      ["src/node/a.ts", "const b = Buffer.alloc(1);"],
    ],
  },
  ...edges.map((edge): Rule => edgeRule(edge)),
  {
    sentence: `a file has at most ${linesMax} lines`,
    check: (path, text) => {
      const lines = text.trimEnd().split("\n").length;
      return path.endsWith(".ts") && lines > linesMax ? [`${lines} lines`] : [];
    },
    planted: [["src/raft/a.ts", "x;\n".repeat(linesMax + 1)]],
    allowed: [["src/raft/a.ts", "x;\n".repeat(linesMax)]],
  },
  {
    sentence: `a line has at most ${columnsMax} columns`,
    check: (path, text) =>
      !path.endsWith(".ts")
        ? []
        : text
            .split("\n")
            .flatMap((line, i) =>
              widthOf(line) > columnsMax && !/https?:/.test(line)
                ? [`line ${i + 1} has ${line.length}`]
                : [],
            ),
    planted: [["test/a.test.ts", `const a = ${"1 + ".repeat(30)}1;`]],
    allowed: [["src/cli/a.ts", `  "${"a text that a person sees ".repeat(5)}",`]],
  },
  {
    sentence: `a function has at most ${functionLinesMax} lines`,
    check: (path, text) =>
      path.startsWith("src/") && path.endsWith(".ts")
        ? functionsOf(text)
            .filter(({ lines }) => lines > functionLinesMax)
            .map(({ name, lines }) => `${name} has ${lines} lines`)
        : [],
    planted: [
      ["src/raft/a.ts", `export function f(): void {\n${"  x();\n".repeat(functionLinesMax)}}\n`],
      [
        "src/raft/a.ts",
        `class A {\n  async f(): Promise<void> {\n${"    x();\n".repeat(90)}  }\n}\n`,
      ],
      ["src/raft/a.ts", `const f = (a: number) => {\n${"  x();\n".repeat(90)}};\n`],
    ],
    allowed: [["src/raft/a.ts", `function f() {\n  x();\n}\n${"x();\n".repeat(100)}`]],
  },
  {
    sentence: "no file or folder is called utils or the like",
    check: (path) =>
      path.split("/").some((part) => bannedNames.test(part.replace(/(\.test)?\.\w+$/, "")))
        ? ["name it after what it does"]
        : [],
    planted: [
      ["src/raft/utils.ts", ""],
      ["test/helpers/a.ts", ""],
      ["src/misc.ts", ""],
    ],
    allowed: [["src/raft/utility-of-votes.ts", ""]],
  },
  {
    sentence: "every file opens with a comment that says what it is for",
    check: (path, text) =>
      /^(src|build|test)\/.*\.ts$/.test(path) && !/^(#!.*\n)?\s*(\/\*\*?|\/\/)\s*\S/.test(text)
        ? ["opens without a comment"]
        : [],
    planted: [["src/raft/a.ts", 'import { a } from "./b.ts";']],
    allowed: [["src/cli/main.ts", "#!/usr/bin/env bun\n/** The executable. */"]],
  },
  {
    sentence: "nothing is left for later",
    check: (path, text) =>
      /\.(ts|md|json)$/.test(path) ? matches(text, /\b(TO[D]O|FIX[M]E|XX[X]|HAC[K])\b/g) : [],
    planted: [["src/raft/a.ts", `// ${"TO"}DO: later`]],
    allowed: [["src/raft/a.ts", "// All is done."]],
  },
  {
    sentence: "types are erasable and never any, and no check is silenced",
    check: (path, text) =>
      !path.endsWith(".ts")
        ? []
        : [
            ...matches(codeOf(text), /(:\s*|<|\bas |\|\s*)any\b(?!\w*["'(:])/g),
            ...matches(codeOf(text), /^\s*(export )?(const |declare )?(enum|namespace) \w+/gm),
            ...matches(text, new RegExp("@ts-(ignore|nocheck|expect-error)", "g")).filter(
              () => path !== "test/tidy/rules.ts",
            ),
          ],
    // Samples in quotes: what the rule must find.
    planted: [
      ["src/raft/a.ts", "function f(a: any) {}"],
      ["src/raft/a.ts", "const a = b as any;"],
      ["src/raft/a.ts", "export enum Role { A }"],
      ["test/a.test.ts", "const enum Role { A }"],
      ["test/a.test.ts", `// ${"@ts"}-ignore`],
    ],
    allowed: [["src/raft/a.ts", "// any of them\nconst s = 'any';"]],
  },
  {
    sentence: "no test is skipped in silence, and none runs alone",
    check: (path, text) =>
      path.startsWith("test/") && path !== "test/tidy/rules.ts"
        ? matches(
            codeOf(text),
            /\b(it|test|describe)(\.\w+)*\.(skip|only|todo|fails)\b|\b[xf](it|describe)\(/g,
          )
        : [],
    // Samples in quotes: what the rule must find. No test here is skipped.
    planted: [
      ["test/raft/a.test.ts", 'it.skip("a", () => {});'],
      ["test/raft/a.test.ts", 'describe.only("a", () => {});'],
      ["test/raft/a.test.ts", 'it.todo("a");'],
    ],
    allowed: [["test/e2e/a.test.ts", 'it.skipIf(reason !== null)("a", () => {});']],
  },
  {
    sentence: "nothing names the machine that it was written on",
    check: (path, text) => matches(text, /(?<![\w.])\/(work|tmp\/lead|root)\/[\w.-]+/g),
    planted: [["src/raft/README.md", `see ${"/wo"}rk/shared/DESIGN.md`]],
    allowed: [["README.md", "data in /home/ana/.local/state/raft/raft/1"]],
  },
];

/** A line's columns; a text for people of 40 characters or more counts as nothing, because no
 *  formatter can break it. Comments count in full, but a drawing (indented) may be wider. */
function widthOf(line: string): number {
  if (/^\s*(\/\/|\*) {4,}/.test(line) && line.length <= drawingColumnsMax) return 0;
  if (/^\s*(\/\/|\/?\*)/.test(line)) return line.length;
  if (/^\s*\/.*\/[gimsuy]*[,;)]*$/.test(line)) return 0;
  return line.replace(/"(?:[^"\\]|\\.){40,}"|`[^`]{40,}`/g, "").length;
}

/** The names in a dependency table whose version is not exact. */
export function unpinned(dependencies: Record<string, string>): string[] {
  return Object.entries(dependencies)
    .filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))
    .map(([name]) => name);
}

function edgeRule({ what, pattern, files }: (typeof edges)[number]): Rule {
  const plants: Record<string, string> = {
    "opens a UDP socket": 'import { createSocket } from "node:dgram";',
    "serves HTTP or opens a TCP socket": 'import { createServer } from "node:http";',
    "touches files": 'import { readFileSync } from "node:fs";',
    "calls native code or SQLite": 'import { dlopen } from "bun:ffi";',
    "reads a clock": "const nowMs = Date.now();",
    "ends the process": "process.exit(1);",
    "throws dice": 'import { randomBytes } from "node:crypto";',
  };
  const plant = plants[what] ?? "";
  return {
    sentence: `only ${files.join(" and ")} ${what}`,
    check: (path, text) =>
      path.startsWith("src/") && path.endsWith(".ts") && !files.includes(path)
        ? matches(codeOf(text), new RegExp(pattern, "g")).map((found) => `${what}: ${found}`)
        : [],
    planted: [["src/client/a.ts", plant]],
    allowed: [
      [files[0] ?? "", plant],
      ["src/client/a.ts", `// ${plant}`],
      ["test/a.test.ts", plant],
    ],
  };
}

function checkImports(path: string, text: string): string[] {
  const from = /^src\/(\w+)\//.exec(path)?.[1];
  if (!path.startsWith("src/") || !path.endsWith(".ts")) return [];
  return importsOf(text).flatMap((specifier) => {
    if (!specifier.startsWith(".")) return checkPackage(from, specifier);
    if (!/\.(ts|json)$/.test(specifier)) return [`${specifier} lacks its extension`];
    const to = /^src\/(\w+)\//.exec(join(dirname(path), specifier))?.[1];
    if (from === undefined || to === from) return [];
    if (from === "cli" && specifier === "../../package.json") return [];
    if (to === undefined) return [`${specifier} is not in a folder of src`];
    const allowed = mayImport[from]?.includes(to) || `${from} -> ${to}` in sideways;
    return allowed ? [] : [`${from} must not import ${to} (${specifier})`];
  });
}

function checkPackage(from: string | undefined, specifier: string): string[] {
  if (/^(node|bun):/.test(specifier)) return [];
  if (from === "raft" || from === "base") return [`${from} imports the package ${specifier}`];
  if (specifier === "msgpackr") return ["msgpackr probes for native code: import its parts"];
  return [];
}
