/** How long a whole process takes, from its start to its exit: what somebody waits who types a
 *  command. */
import { spawnSync } from "node:child_process";
import { median } from "../../quantile.ts";
import { lower, type RunResult, type Scenario } from "../scenario.ts";

const TIMES = 20;

export const starts: readonly Scenario[] = [
  {
    name: "start",
    about: "whole processes: raft version, and raft send of one entry to a cluster at rest",
    main: true,
    settings: { times: TIMES, nodes: 3 },
    async run(bench): Promise<RunResult> {
      const cluster = await bench.cluster();
      const time = (args: readonly string[]): number => {
        const startedMs = performance.now();
        const { status, stderr } = spawnSync(bench.executable, args, {
          env: cluster.environment,
          cwd: bench.directory,
        });
        if (status !== 0) throw new Error(`raft ${args.join(" ")}: ${status} ${String(stderr)}`);
        return performance.now() - startedMs;
      };
      const entries = Array.from({ length: TIMES }, (_, at) => `entry ${at}`);
      const versionsMs = entries.map(() => time(["version"]));
      const sendsMs = entries.map((entry) => time(["send", entry]));
      const log = await cluster.command(["log", "--raw"]);
      if (log !== entries.join("\n")) throw new Error(`the log holds other entries: ${log}`);
      return {
        figures: [
          lower("version p50", median(versionsMs), "ms"),
          lower("version max", Math.max(...versionsMs), "ms"),
          lower("send p50", median(sendsMs), "ms"),
          lower("send max", Math.max(...sendsMs), "ms"),
        ],
        verified: TIMES,
      };
    },
  },
];
