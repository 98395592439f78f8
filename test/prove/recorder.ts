/** Writes down what clients do and are told, in the format of test/README.md, "Histories". */
import { appendFileSync, readFileSync } from "node:fs";
import { type LogEntry, type RaftClient, RaftError, type SendOptions } from "../../src/index.ts";
import {
  encodeLine,
  type FinalEntry,
  type Operation,
  payloadHash,
  ReadDigest,
  type ReadOperation,
  type SendOperation,
} from "../../src/sim/history.ts";

/** Lines are written together, in characters. */
const BUFFER_CHARS = 1 << 18;

export interface ReadFrom {
  readonly from: number;
  /** The node to read at; null: whoever leads. */
  readonly node: number | null;
  readonly timeoutMs: number;
}

export class Recorder {
  readonly path: string;
  /** Operations with an outcome. */
  readonly counts = { ok: 0, refused: 0, unknown: 0, reads: 0 };
  entriesAcknowledged = 0;
  /** The highest index that anybody was told of. */
  highestIndex = 0;
  /** What went wrong in a way that no promise allows, such as an undocumented error. */
  readonly surprises: string[] = [];
  #buffer = "";
  readonly #watchers = new Set<(send: SendOperation) => void>();

  constructor(path: string) {
    this.path = path;
  }

  get operations(): number {
    return this.counts.ok + this.counts.refused + this.counts.unknown;
  }

  /** Sends, and records how that ended. */
  async send(
    client: RaftClient,
    name: string,
    entries: readonly string[],
    options: SendOptions = {},
  ): Promise<SendOperation> {
    const called = {
      kind: "send",
      client: name,
      node: null,
      callNs: nowNs(),
      ifLast: options.ifLast ?? null,
      count: entries.length,
      payloads: entries.map((entry) => payloadHash(entry)),
    } as const;
    const told = await client.send(entries, options).then(
      ({ index, term, count }) => {
        if (count !== entries.length)
          this.surprises.push(`${name} sent ${entries.length} entries, ${count} acknowledged`);
        return { outcome: "ok", requestId: options.requestId ?? null, index, term } as const;
      },
      (error: unknown) => {
        const { requestId, lastIndex } =
          error instanceof RaftError ? error : { requestId: null, lastIndex: null };
        const outcome = this.#outcomeOf(error, name);
        return {
          outcome,
          lastUser: lastIndex,
          requestId: options.requestId ?? requestId,
          index: null,
          term: null,
        } as const;
      },
    );
    const operation: SendOperation = { ...called, ...told, returnNs: nowNs() };
    this.#take(operation);
    return operation;
  }

  /** A linearizable read with an open end, and how that ended. Gives what it saw. */
  async read(
    client: RaftClient,
    name: string,
    { from, node, timeoutMs }: ReadFrom,
  ): Promise<{ readonly operation: ReadOperation; readonly saw: readonly (string | null)[] }> {
    const called = { kind: "read", client: name, node, callNs: nowNs(), from } as const;
    const saw: (string | null)[] = [];
    const digest = new ReadDigest();
    let last: LogEntry | null = null;
    let outcome: Operation["outcome"] = "ok";
    try {
      const where = node === null ? {} : { node };
      for await (const entry of client.log({ from, all: true, timeoutMs, ...where })) {
        const payload = entry.kind === "entry" ? payloadHash(entry.bytes) : null;
        saw.push(payload);
        digest.add(entry.index, payload);
        last = entry;
      }
    } catch (error) {
      // A read changes nothing; that it ended halfway says nothing.
      outcome = this.#outcomeOf(error, name);
    }
    const isOk = outcome === "ok";
    const operation: ReadOperation = {
      ...called,
      returnNs: nowNs(),
      outcome,
      index: isOk ? (last?.index ?? from - 1) : null,
      count: saw.length,
      term: isOk ? (last?.term ?? null) : null,
      digest: isOk ? digest.toString() : null,
    };
    this.counts.reads++;
    this.#take(operation);
    return { operation, saw };
  }

  final(entry: FinalEntry): void {
    this.#write(encodeLine(entry));
  }

  /** The next acknowledged send that satisfies `wanted`; null when the time is over. */
  nextSend(
    wanted: (send: SendOperation) => boolean,
    timeoutMs: number,
  ): Promise<SendOperation | null> {
    return new Promise((resolve) => {
      const finish = (send: SendOperation | null): void => {
        clearTimeout(timer);
        this.#watchers.delete(watch);
        resolve(send);
      };
      const watch = (send: SendOperation): void => {
        if (wanted(send)) finish(send);
      };
      const timer = setTimeout(() => finish(null), timeoutMs);
      this.#watchers.add(watch);
    });
  }

  /** Everything written so far. */
  text(): string {
    this.#flush();
    return readFileSync(this.path, "utf8");
  }

  #take(operation: Operation): void {
    this.counts[operation.outcome]++;
    if (operation.index !== null) {
      const last = operation.index + (operation.kind === "send" ? operation.count - 1 : 0);
      this.highestIndex = Math.max(this.highestIndex, last);
    }
    if (operation.kind === "send" && operation.outcome === "ok") {
      this.entriesAcknowledged += operation.count;
      for (const watch of [...this.#watchers]) watch(operation);
    }
    this.#write(encodeLine(operation));
  }

  /** What a client may say of a call that failed: see RaftError.exitCode. */
  #outcomeOf(error: unknown, name: string): "refused" | "unknown" {
    if (!(error instanceof RaftError)) {
      this.surprises.push(`${name}: ${String(error)}`);
      return "unknown";
    }
    if (error.exitCode === 7) this.surprises.push(`${name}: ${error.message}`);
    return error.exitCode === 5 || error.exitCode === 7 ? "unknown" : "refused";
  }

  #write(line: string): void {
    this.#buffer += `${line}\n`;
    if (this.#buffer.length >= BUFFER_CHARS) this.#flush();
  }

  #flush(): void {
    if (this.#buffer !== "") appendFileSync(this.path, this.#buffer);
    this.#buffer = "";
  }
}

/** The one clock of a history: monotonic, ns. */
export function nowNs(): number {
  return Math.round(performance.now() * 1e6);
}
