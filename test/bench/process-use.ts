/** What a process has used, as Linux tells it in /proc. */
import { existsSync, readFileSync } from "node:fs";

export interface ProcessUse {
  /** User and system time of all its threads; steps of 10 ms. */
  readonly cpuSeconds: number;
  /** Resident memory now and at most, in bytes. */
  readonly rssBytes: number;
  readonly rssPeakBytes: number;
}

/** Linux counts in hundredths of a second (USER_HZ), whatever the kernel's own tick is. */
const TICKS_PER_SECOND = 100;
/** After the name in brackets come the state (field 3), ..., utime (14) and stime (15). */
const UTIME_AT = 11;

/** Why nothing of this can be read here; null when it can. */
export function noProcReason(): string | null {
  const isThere = existsSync("/proc/self/stat") && existsSync("/proc/net/snmp");
  return isThere ? null : "what processes use is read from /proc, which Linux has";
}

/** Throws when the process is gone; one that has ended and was not waited for yet has no memory. */
export function processUse(pid: number): ProcessUse {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ticks = Number(fields[UTIME_AT]) + Number(fields[UTIME_AT + 1]);
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return {
    cpuSeconds: ticks / TICKS_PER_SECOND,
    rssBytes: numberOf(status, "VmRSS") * 1_024,
    rssPeakBytes: numberOf(status, "VmHWM") * 1_024,
  };
}

function numberOf(text: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1] ?? Number.NaN);
}

/** UDP datagrams that sockets of this machine have received since it started. */
export function datagramsReceived(): number {
  const [names = [], values = []] = readFileSync("/proc/net/snmp", "utf8")
    .split("\n")
    .filter((line) => line.startsWith("Udp:"))
    .map((line) => line.split(" "));
  return Number(values[names.indexOf("InDatagrams")] ?? Number.NaN);
}
