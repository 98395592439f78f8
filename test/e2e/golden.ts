/** Turns what a person sees into text that is the same in every run: the executable, the machine's
 *  name, addresses, times, spans and process ids are replaced, and columns are closed up.
 *
 *  The cluster of a test has a name of its own, so the commands in its hints carry `--cluster
 *  NAME`; that is taken away, and what remains is what the default cluster would have said. */
import { hostname } from "node:os";
import { executable, type World } from "./harness.ts";

/** Every line of `text` with all that varies replaced: HH:MM:SS, D Mon, A.B.C.D, T for spans, N for
 *  numbers after "pid". Spaces between columns become one. */
export function golden(text: string, world: World): string {
  return text
    .replaceAll(executable, "./raft")
    .replaceAll(` --cluster ${world.cluster}`, "")
    .replaceAll(world.cluster, "raft")
    .replaceAll(world.directory, "~")
    .replaceAll(hostname(), "HOST")
    .replace(/\b\d{1,3}(\.\d{1,3}){3}\b/g, "A.B.C.D")
    .replace(/\bA\.B\.C\.D:\d+/g, "A.B.C.D:P")
    .replace(/\b\d\d:\d\d:\d\d\b/g, "HH:MM:SS")
    .replace(/\b\d\d:\d\d\b/g, "HH:MM")
    .replace(/\b\d{1,2} (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\b/g, "D Mon")
    .replace(/\b\d+m\d\ds\b|\b\d+(\.\d+)?(ms|s|m)\b/g, "T")
    .replace(/\b\d+\.\d+ s\b|\b\d+ ms\b/g, "T")
    .replace(/\bpid \d+|\bkill -9 \d+/g, (found) => found.replace(/\d+$/, "N"))
    .replace(/\([0-9a-f]{8}\)/g, "(CLUSTERID)")
    .replace(/[ \t]+/g, " ")
    .trim();
}

/** The golden lines of what a process printed so far, times of day taken away. */
export function goldenLines(lines: readonly string[], world: World): string[] {
  return lines.map((line) => golden(line, world).replace(/^HH:MM:SS /, ""));
}
