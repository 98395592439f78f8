/** Faults of the disk under a running node, injected into its system calls by strace. Needs root
 *  and strace; whoever uses it skips without. */
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { until, type Running } from "./world.ts";

export const canTrace = process.getuid?.() === 0 && Bun.which("strace") !== null;

export interface Injection {
  /** Takes the fault away; the node goes on. */
  readonly end: () => Promise<void>;
}

/** Attaches to every thread of a node. `calls`: the calls that are traced; `fault`: what happens to
 *  them, as strace writes it (`error=EIO:when=3`, `delay_enter=2000000`); `paths`: only calls on
 *  these files; `output`: where the calls are noted. It lasts until it is ended, or the node is. */
export async function attach(
  node: Running,
  calls: string,
  fault: string,
  { paths = [], output = "/dev/null" }: { paths?: readonly string[]; output?: string } = {},
): Promise<Injection> {
  const onPaths = paths.flatMap((path) => ["-P", path]);
  const tracer = spawn(
    "strace",
    [
      ...["-f", "-qq", "-o", output, ...onPaths],
      ...["-e", `trace=${calls}`, "-e", `inject=${calls}:${fault}`, "-p", String(node.pid)],
    ],
    { stdio: "ignore" },
  );
  const ended = new Promise<void>((resolve) => tracer.once("close", () => resolve()));
  const end = async () => {
    tracer.kill("SIGTERM");
    await ended;
  };
  try {
    await until("strace is attached", () => !node.isRunning || isTraced(node.pid));
  } catch (error) {
    await end();
    throw error;
  }
  return { end };
}

/** True once every thread is followed. */
function isTraced(pid: number): boolean {
  try {
    return readdirSync(`/proc/${pid}/task`).every((thread) =>
      /^TracerPid:\s*[1-9]/m.test(readFileSync(`/proc/${pid}/task/${thread}/status`, "utf8")),
    );
  } catch {
    // A thread, or the whole process, has just ended.
    return false;
  }
}
