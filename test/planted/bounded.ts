/** Runs a program of the tests in a process of its own, bounded in CPU time and in wall time. */
import { root } from "./planting.ts";

/** Wall time that a run may take for each second of CPU time: it shares two cores. */
const WALL_PER_CPU_SECOND = 4;

export interface Run {
  readonly code: number | null;
  readonly output: string;
  readonly cpuSeconds: number;
  /** Ended because its time was over. */
  readonly isOver: boolean;
}

/** Runs Bun with a bound on its CPU time, which the kernel keeps, and on its wall time. `leads`: it
 *  starts processes that must end with it. */
export async function bounded(
  command: readonly string[],
  cpuSeconds: number,
  environment: Readonly<Record<string, string>>,
  wallSeconds = cpuSeconds * WALL_PER_CPU_SECOND,
  leads = false,
): Promise<Run> {
  const limited = ["sh", "-c", `ulimit -t ${Math.ceil(cpuSeconds)}; exec "$@"`, "sh"];
  const timeoutMs = Math.ceil(wallSeconds * 1_000);
  const startedMs = performance.now();
  const child = Bun.spawn([...limited, process.execPath, ...command], {
    cwd: root,
    env: { ...process.env, NO_COLOR: "1", ...environment },
    stdio: ["ignore", "pipe", "pipe"],
    detached: leads,
  });
  const timer = setTimeout(
    () => process.kill(leads ? -child.pid : child.pid, "SIGKILL"),
    timeoutMs,
  );
  const [stdout, stderr] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  await child.exited;
  clearTimeout(timer);
  const used = child.resourceUsage()?.cpuTime.total ?? 0;
  const isOver = child.signalCode !== null || performance.now() - startedMs >= timeoutMs;
  return {
    code: child.exitCode,
    output: `${stdout}\n${stderr}`,
    cpuSeconds: Number(used) / 1e6,
    isOver,
  };
}

/** What a program said last. */
export function lastLine(output: string): string {
  return output.trim().split("\n").at(-1)?.trim() ?? "";
}
