/** Clients that load a cluster and write a history: several in this process, each with several
 *  operations under way. Most send one entry, some several; some give up early, and finish under
 *  the request id or leave the outcome open; some set a condition; others read random suffixes of
 *  the log at random nodes. */
import { seededRandom, type Random } from "../../src/base/random.ts";
import type { RaftClient } from "../../src/index.ts";
import type { SendOperation } from "../../src/sim/history.ts";
import { sleep } from "../e2e/world.ts";
import type { Nodes } from "./nodes.ts";
import type { Recorder } from "./recorder.ts";

export interface WorkloadOptions {
  readonly seed: number;
  readonly clients: number;
  readonly sendersPerClient: number;
  readonly readersPerClient: number;
  /** Each worker rests up to this long after an operation, ms. */
  readonly restMsMax: number;
}

const ENTRIES_MAX = 8;
const ENTRY_BYTES_MAX = 300;
const LARGE_ENTRY_BYTES = 20_000;
const SEND_TIMEOUT_MS = 5_000;
const READ_TIMEOUT_MS = 1_500;
/** A client that gives up after this often does not learn what happened. */
const IMPATIENT_MS_MAX = 60;
const FINISH_ATTEMPTS_MAX = 4;
const SUFFIX_MAX = 64;
/** Whole logs are read while they are no longer than this, in entries. */
const WHOLE_LOG_MAX = 4_000;

export class Workload {
  readonly #nodes: Nodes;
  readonly #recorder: Recorder;
  readonly #options: WorkloadOptions;
  #workers: Promise<void>[] = [];
  #isOver = false;

  private constructor(nodes: Nodes, recorder: Recorder, options: WorkloadOptions) {
    this.#nodes = nodes;
    this.#recorder = recorder;
    this.#options = options;
  }

  static async start(
    nodes: Nodes,
    recorder: Recorder,
    options: WorkloadOptions,
  ): Promise<Workload> {
    const workload = new Workload(nodes, recorder, options);
    const { clients, sendersPerClient, readersPerClient, seed } = options;
    for (let at = 0; at < clients; at++) {
      const client = await nodes.client();
      for (let worker = 0; worker < sendersPerClient + readersPerClient; worker++) {
        const name = `c${at + 1}`;
        const random = seededRandom(seed * 1_000 + at * 100 + worker);
        const unique = `${name}.${worker}`;
        workload.#workers.push(
          worker < sendersPerClient
            ? workload.#sends(client, name, unique, random)
            : workload.#reads(client, name, random),
        );
      }
    }
    return workload;
  }

  /** Lets every operation under way end; nothing new is called. */
  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#workers);
  }

  async #sends(client: RaftClient, name: string, unique: string, random: Random): Promise<void> {
    const recorder = this.#recorder;
    for (let number = 0; !this.#isOver; number++) {
      const entries = entriesOf(`${unique}.${number}`, random);
      const kind = random();
      if (kind < 0.06) {
        const timeoutMs = 1 + Math.floor(random() * IMPATIENT_MS_MAX);
        const sent = await recorder.send(client, name, entries, { timeoutMs });
        if (sent.outcome === "unknown" && random() < 0.6)
          await this.#finish(client, name, entries, sent);
      } else {
        const chosen =
          kind < 0.1
            ? { ifLast: recorder.highestIndex }
            : kind < 0.13
              ? { requestId: `named ${unique}.${number}` }
              : {};
        await recorder.send(client, name, entries, { timeoutMs: SEND_TIMEOUT_MS, ...chosen });
      }
      await this.#rest(random);
    }
  }

  /** Repeats a request under its id until its outcome is known. */
  async #finish(
    client: RaftClient,
    name: string,
    entries: readonly string[],
    { requestId }: SendOperation,
  ): Promise<void> {
    if (requestId === null) {
      this.#recorder.surprises.push(`${name}: an unknown outcome came without a request id`);
      return;
    }
    for (let attempt = 0; attempt < FINISH_ATTEMPTS_MAX && !this.#isOver; attempt++) {
      const timeoutMs = SEND_TIMEOUT_MS / 2;
      const sent = await this.#recorder.send(client, name, entries, { requestId, timeoutMs });
      if (sent.outcome === "ok") return;
    }
  }

  async #reads(client: RaftClient, name: string, random: Random): Promise<void> {
    const { ids } = this.#nodes;
    while (!this.#isOver) {
      const { highestIndex } = this.#recorder;
      const whole = highestIndex < WHOLE_LOG_MAX && random() < 0.03;
      const back = Math.floor(random() * (SUFFIX_MAX + 4)) - 4;
      const from = whole ? 1 : Math.max(1, highestIndex - back);
      const node = random() < 0.2 ? null : (ids[Math.floor(random() * ids.length)] ?? null);
      const timeoutMs = 200 + Math.floor(random() * READ_TIMEOUT_MS);
      await this.#recorder.read(client, name, { from, node, timeoutMs });
      await this.#rest(random);
    }
  }

  #rest(random: Random): Promise<void> {
    // Refusals that come at once must not keep this process from its timers.
    return sleep(random() * this.#options.restMsMax);
  }
}

/** What nobody else sends: one entry mostly, of a size that varies. */
function entriesOf(unique: string, random: Random): readonly string[] {
  const several = random() < 0.2 ? 2 + Math.floor(random() * (ENTRIES_MAX - 1)) : 1;
  return Array.from({ length: several }, (_, at) => {
    const large = random() < 0.004;
    const bytes = large ? LARGE_ENTRY_BYTES : Math.floor(random() ** 3 * ENTRY_BYTES_MAX);
    return `${unique}.${at}`.padEnd(bytes, "x");
  });
}
