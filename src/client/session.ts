/** One order of entries on its way into the log. A program has as many as it likes over one client:
 *  they share its socket, its connections and its datagrams, and nothing else. What one of them
 *  waits for holds up no other. */

import type { Sender } from "./sender.ts";
import { RaftError, type Receipt, type SendOptions } from "./types.ts";

const SEND_TIMEOUT_MS = 5_000;
const UTF8 = new TextEncoder();
const NO_OPTIONS: SendOptions = {};

export type Entry = string | Uint8Array;

export interface SessionHost {
  /** Throws RaftError when nothing may be sent. */
  readonly check: () => void;
  /** Of one call, ms; undefined: the usual one. */
  readonly timeoutMs: number | undefined;
  readonly onClosed: (session: Session) => void;
}

export class Session {
  readonly #sender: Sender;
  readonly #host: SessionHost;
  #closed = false;

  /** Made by `RaftClient.session`. */
  constructor(sender: Sender, host: SessionHost) {
    this.#sender = sender;
    this.#host = host;
  }

  /** Adds entries, as one: all of them or none, with consecutive indexes. Calls of one session
   *  enter the log in the order of the calls as long as none of them fails. */
  send(entries: Entry | readonly Entry[], options: SendOptions = NO_OPTIONS): Promise<Receipt> {
    return new Promise((resolve, reject) => {
      this.#host.check();
      if (this.#closed) throw new RaftError("this session is closed", 4);
      const timeoutMs = options.timeoutMs ?? this.#host.timeoutMs ?? SEND_TIMEOUT_MS;
      const payloads = payloadsOf(entries);
      if (options.signal === undefined)
        this.#sender.submit(payloads, options, timeoutMs, resolve, reject);
      else this.#sendUntil(options.signal, payloads, options, timeoutMs, resolve, reject);
    });
  }

  /** Ends what is under way in it: what waits is rejected as if its time were over. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#sender.close();
    this.#host.onClosed(this);
  }

  #sendUntil(
    signal: AbortSignal,
    payloads: readonly Uint8Array[],
    options: SendOptions,
    timeoutMs: number,
    resolve: (receipt: Receipt) => void,
    reject: (error: unknown) => void,
  ): void {
    const settled =
      <T>(settle: (value: T) => void) =>
      (value: T): void => {
        signal.removeEventListener("abort", abandon);
        settle(value);
      };
    const submission = this.#sender.submit(
      payloads,
      options,
      timeoutMs,
      settled(resolve),
      settled(reject),
    );
    const abandon = (): void => this.#sender.abandon(submission);
    signal.addEventListener("abort", abandon);
    if (signal.aborted) abandon();
  }
}

function payloadsOf(entries: Entry | readonly Entry[]): readonly Uint8Array[] {
  if (typeof entries === "string") return [UTF8.encode(entries)];
  if (entries instanceof Uint8Array) return [entries];
  return entries.map((entry) => (typeof entry === "string" ? UTF8.encode(entry) : entry));
}
