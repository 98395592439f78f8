/** A load from this process through the public library: for measures that trouble the cluster
 *  meanwhile. */
import type { RaftClient } from "../../src/index.ts";
import { EntryForm, runName } from "../../src/bench/entries.ts";
import { Load as Loading, type LoadFigures } from "../../src/bench/load.ts";
import { systemClock } from "../../src/transport/clock.ts";
import { systemDice } from "../../src/transport/dice.ts";

const READ_TIMEOUT_MS = 30_000;

export class Load {
  readonly #client: RaftClient;
  readonly #load: Loading;

  /** Entries have `size` bytes, 16 at least. */
  constructor(client: RaftClient, size: number) {
    this.#client = client;
    const form = new EntryForm(runName(systemDice(5)), size);
    this.#load = new Loading({ targets: [client], form, clock: systemClock });
  }

  /** Entries that were acknowledged. */
  get count(): number {
    return this.#load.written.acknowledged;
  }

  /** Keeps `outstanding` entries under way for `seconds`, after a warm-up. Throws when one of them
   *  fails. */
  async run(outstanding: number, seconds: number, warmUpSeconds = 1): Promise<LoadFigures> {
    const figures = await this.#load.closed({ outstanding, seconds, warmUpSeconds });
    if (figures.failure !== null) throw figures.failure;
    return figures;
  }

  /** Reads the log back: every acknowledged entry is there once, whole, at its index. Throws if one
   *  is not. */
  async verify(): Promise<number> {
    const log = this.#client.log({ timeoutMs: READ_TIMEOUT_MS });
    const { verified, problems, problemCount } = await this.#load.written.verify(log);
    if (problemCount > 0) throw new Error(`${problemCount} of them: ${problems.join("; ")}`);
    if (verified !== this.count)
      throw new Error(`${this.count} were acknowledged, ${verified} are there`);
    return verified;
  }
}
