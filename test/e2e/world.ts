/** The machine on which the compiled executable runs in tests and campaigns: one that a `World`
 *  makes for itself. It knows no test runner; `harness.ts` ties a world to a test.
 *
 *  Every `World` has a temporary directory that is HOME, state directory and working directory, and
 *  a cluster name of its own, so that tests neither meet each other nor a person's real cluster.
 *  Whatever a world started is ended by its process id when the world ends. */
import { spawn, type ChildProcess } from "node:child_process";
import { createSocket } from "node:dgram";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The executable under test; `npm test` has just built it. */
export const executable =
  process.env["RAFT_EXECUTABLE"] ??
  fileURLToPath(
    new URL(`../../build/out/raft${process.platform === "win32" ? ".exe" : ""}`, import.meta.url),
  );

/** How long a command may take unless a test says otherwise, in milliseconds. */
const runTimeoutMs = 30_000;
/** How long a node has to end after SIGTERM before it is killed, in milliseconds. */
const stopTimeoutMs = 10_000;
/** How long founding and the first election may take on a busy machine, in milliseconds. */
const readyTimeoutMs = 60_000;

/** What a finished command left behind. `code` is null if a signal or the timeout ended it. */
export interface Result {
  code: number | null;
  stdout: string;
  stderr: string;
  timedOut: boolean;
  elapsedMs: number;
}

export interface RunOptions {
  timeoutMs?: number;
  env?: Record<string, string>;
  /** What the command reads from its standard input; without it the input is closed at once. */
  stdin?: string | Uint8Array;
  cwd?: string;
  /** What the executable is started by, such as `ip netns exec NAME`; it must keep the process
   *  id. */
  within?: readonly string[];
}

/** A running `raft up`, or any other command that goes on until it is stopped. */
export class Running {
  readonly stdoutLines: string[] = [];
  readonly stderrLines: string[] = [];
  /** Both streams in the order in which they arrived. */
  readonly lines: string[] = [];
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  private readonly child: ChildProcess;
  private hasExited = false;
  private readonly waiters = new Set<() => void>();

  constructor(child: ChildProcess) {
    this.child = child;
    this.collect(child.stdout, this.stdoutLines);
    this.collect(child.stderr, this.stderrLines);
    this.exited = new Promise((resolve) => {
      child.once("error", (error) => this.lines.push(`could not be started: ${error.message}`));
      child.once("close", (code, signal) => {
        this.hasExited = true;
        resolve({ code, signal });
        this.wake();
      });
    });
  }

  get pid(): number {
    if (this.child.pid === undefined) throw new Error(`not started: ${this.lines.join("\n")}`);
    return this.child.pid;
  }

  get isRunning(): boolean {
    return !this.hasExited;
  }

  /** Resolves to the match of the first line, past or future, from number `from` on. Fails with
   *  everything that was printed when the time is over or the process has ended without it. */
  async waitForLine(pattern: RegExp, timeoutMs = runTimeoutMs, from = 0): Promise<RegExpExecArray> {
    const deadlineMs = performance.now() + timeoutMs;
    for (let next = from; ;) {
      for (; next < this.lines.length; next++) {
        const match = pattern.exec(this.lines[next] ?? "");
        if (match !== null) return match;
      }
      const leftMs = deadlineMs - performance.now();
      if (this.hasExited || leftMs <= 0) {
        const why = this.hasExited ? "the process ended" : `${timeoutMs} ms passed`;
        throw new Error(
          `no line matches ${pattern}: ${why}. It printed:\n${this.lines.join("\n")}`,
        );
      }
      await this.changed(leftMs);
    }
  }

  /** Asks it to end as Ctrl-C or `kill` would, and kills it if it does not. Returns its exit code,
   *  null if it had to be killed. */
  async stop(
    signal: NodeJS.Signals = "SIGTERM",
    timeoutMs = stopTimeoutMs,
  ): Promise<number | null> {
    if (this.isRunning) this.child.kill(signal);
    const timer = setTimeout(() => this.child.kill("SIGKILL"), timeoutMs);
    const { code } = await this.exited;
    clearTimeout(timer);
    return code;
  }

  /** Ends it at once, as a crash would. */
  async kill(): Promise<void> {
    if (this.isRunning) this.child.kill("SIGKILL");
    await this.exited;
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  write(text: string | Uint8Array): void {
    this.child.stdin?.write(text);
  }

  /** Nothing more comes on its standard input. */
  end(): void {
    this.child.stdin?.end();
  }

  private collect(stream: NodeJS.ReadableStream | null, into: string[]): void {
    let rest = "";
    stream?.setEncoding("utf8");
    stream?.on("data", (chunk: string) => {
      const parts = (rest + chunk).split(/\r?\n/);
      rest = parts.pop() ?? "";
      into.push(...parts);
      this.lines.push(...parts);
      this.wake();
    });
    stream?.on("end", () => {
      if (rest === "") return;
      into.push(rest);
      this.lines.push(rest);
      this.wake();
    });
  }

  private changed(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.waiters.delete(done);
        resolve();
      };
      const timer = setTimeout(done, timeoutMs);
      this.waiters.add(done);
    });
  }

  private wake(): void {
    for (const waiter of [...this.waiters]) waiter();
  }
}

export interface WorldOptions {
  /** The name of the cluster; a free one unless given. */
  cluster?: string;
  env?: Record<string, string>;
}

let worlds = 0;

/** One test's machine: directories, environment and processes of its own. Made inside a test (or a
 *  hook given `keep`), it cleans up after itself. */
export class World {
  readonly directory = mkdtempSync(join(tmpdir(), "raft-e2e-"));
  readonly cluster: string;
  readonly env: Record<string, string>;
  private readonly processes: Running[] = [];

  constructor(options: WorldOptions = {}) {
    if (!existsSync(executable)) throw new Error(`${executable} is missing: npm run build`);
    this.cluster = options.cluster ?? `t${process.pid.toString(36)}-${(++worlds).toString(36)}`;
    mkdirSync(join(this.directory, "state"));
    mkdirSync(join(this.directory, "work"));
    this.env = {
      PATH: process.env["PATH"] ?? "/usr/bin:/bin",
      HOME: this.directory,
      XDG_STATE_HOME: join(this.directory, "state"),
      XDG_CONFIG_HOME: join(this.directory, "config"),
      USER: "ana",
      NO_COLOR: "1",
      RAFT_CLUSTER: this.cluster,
      // Nothing of a test leaves this machine; networks are made of namespaces where a test needs
      // one.
      RAFT_LOOPBACK: "1",
      ...options.env,
    };
  }

  /** Starts a command that goes on, such as `up --id 1`. */
  start(args: string[], options: RunOptions = {}): Running {
    const running = this.spawn(args, options);
    this.processes.push(running);
    return running;
  }

  /** Starts `raft up --id ID` with whatever flags follow. */
  up(id: number, ...flags: string[]): Running {
    return this.start(["up", "--id", String(id), ...flags]);
  }

  /** Runs a command to its end. */
  async run(args: string[], options: RunOptions = {}): Promise<Result> {
    const startedMs = performance.now();
    const running = this.spawn(args, { ...options, stdin: options.stdin ?? "" });
    this.processes.push(running);
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      void running.kill();
    }, options.timeoutMs ?? runTimeoutMs);
    const { code } = await running.exited;
    clearTimeout(timer);
    this.processes.splice(this.processes.indexOf(running), 1);
    const text = (lines: string[]) => lines.map((line) => `${line}\n`).join("");
    const [stdout, stderr] = [text(running.stdoutLines), text(running.stderrLines)];
    return { code, stdout, stderr, timedOut, elapsedMs: performance.now() - startedMs };
  }

  /** Like `run`, for a command that must succeed. Returns its stdout. */
  async must(args: string[], options: RunOptions = {}): Promise<string> {
    const result = await this.run(args, options);
    if (result.code === 0) return result.stdout;
    const ended = result.timedOut ? "ran out of time" : `ended with ${result.code}`;
    throw new Error(`raft ${args.join(" ")} ${ended}:\n${result.stdout}${result.stderr}`);
  }

  /** Starts nodes 1..n, found by multicast alone, and waits until each says that it is ready. */
  async founded(n: number, ...flags: string[]): Promise<Running[]> {
    const size = n === 3 ? [] : ["--size", String(n)];
    const nodes = Array.from({ length: n }, (_, i) => this.up(i + 1, ...size, ...flags));
    await Promise.all(nodes.map((node) => node.waitForLine(/\bready:/, readyTimeoutMs)));
    return nodes;
  }

  /** Ends every process of this world and removes its directory. */
  async end(): Promise<void> {
    await Promise.all(this.processes.splice(0).map((running) => running.kill()));
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }

  private spawn(args: string[], options: RunOptions): Running {
    const [command = executable, ...words] = [...(options.within ?? []), executable, ...args];
    const child = spawn(command, words, {
      cwd: options.cwd ?? join(this.directory, "work"),
      env: { ...this.env, ...options.env },
      stdio: "pipe",
    });
    child.stdin.on("error", () => {
      // A command may end before it has read its input: that is its right.
    });
    if (options.stdin !== undefined) child.stdin.end(options.stdin);
    return new Running(child);
  }
}

/** Waits until `condition` holds (anything but false, null and undefined) and returns it. Fails
 *  with `what` when the time is over. */
export async function until<T>(
  what: string,
  condition: () => T | Promise<T>,
  timeoutMs = runTimeoutMs,
  everyMs = 50,
): Promise<NonNullable<Exclude<T, false>>> {
  const deadlineMs = performance.now() + timeoutMs;
  for (;;) {
    const value = await condition();
    if (value !== false && value !== null && value !== undefined) {
      return value as NonNullable<Exclude<T, false>>;
    }
    if (performance.now() > deadlineMs) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await sleep(everyMs);
  }
}

/** Resolves after so many milliseconds. To wait for something there is `until`. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms));
}

/** A UDP port of this machine that nobody uses now. */
export async function freePort(): Promise<number> {
  const socket = createSocket("udp4");
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject);
    socket.bind(0, "0.0.0.0", () => resolve());
  });
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  return port;
}
