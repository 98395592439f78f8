/** A load from this process through the public library: for measures that trouble the cluster
 *  meanwhile. */
import { type LogIndex, RaftClient } from "../../src/index.ts";
import { EntryForm, runName } from "../../src/bench/entries.ts";
import { Load, type LoadFigures } from "../../src/bench/load.ts";
import { systemClock } from "../../src/transport/clock.ts";
import { systemDice } from "../../src/transport/dice.ts";

const READ_TIMEOUT_MS = 30_000;
/** What `start` begins is ended by whoever began it, or after a day. */
const SECONDS_MAX = 86_400;

export class LibraryLoad {
  readonly #clients: readonly [RaftClient, ...RaftClient[]];
  readonly #load: Load;

  /** Entries have `size` bytes, 16 at least, and come from all clients in turn. */
  constructor(clients: RaftClient | readonly [RaftClient, ...RaftClient[]], size: number) {
    this.#clients = clients instanceof RaftClient ? [clients] : clients;
    const form = new EntryForm(runName(systemDice(5)), size);
    this.#load = new Load({ targets: this.#clients, form, clock: systemClock });
  }

  /** Entries that were acknowledged. */
  get count(): number {
    return this.#load.written.acknowledged;
  }

  /** Keeps `outstanding` entries under way for `seconds`, after a warm-up. Throws when one of them
   *  fails. */
  async run(outstanding: number, seconds: number, warmUpSeconds = 1): Promise<LoadFigures> {
    return whole(await this.#load.closed({ outstanding, seconds, warmUpSeconds }));
  }

  /** Keeps `outstanding` entries under way and measures, until the function that comes back is
   *  called. That one throws when an entry failed; until then a failure only ends the load. */
  start(outstanding: number): () => Promise<LoadFigures> {
    const running = this.#load.closed({ outstanding, seconds: SECONDS_MAX, warmUpSeconds: 0 });
    return async () => {
      this.#load.stop();
      return whole(await running);
    };
  }

  /** Reads the log back from index `from` on, where the load had not begun yet: every acknowledged
   *  entry is there once, whole, at its index. Throws if one is not. */
  async verify(from: LogIndex = 1): Promise<number> {
    const log = this.#clients[0].log({ from, timeoutMs: READ_TIMEOUT_MS });
    const { verified, problems, problemCount } = await this.#load.written.verify(log);
    if (problemCount > 0) throw new Error(`${problemCount} of them: ${problems.join("; ")}`);
    if (verified !== this.count)
      throw new Error(`${this.count} were acknowledged, ${verified} are there`);
    return verified;
  }
}

function whole(figures: LoadFigures): LoadFigures {
  if (figures.failure !== null) throw figures.failure;
  return figures;
}
