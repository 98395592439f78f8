/** Time that passes only when a test lets it. */

export class VirtualTime {
  nowMs = 0;
  #timers: { readonly atMs: number; readonly order: number; readonly run: () => void }[] = [];
  #order = 0;

  after(delayMs: number, run: () => void): () => void {
    const timer = { atMs: this.nowMs + Math.max(0, delayMs), order: this.#order++, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** Runs until `done` (checked after each event) or for `ms`. */
  async run(ms: number, done: () => boolean = () => false): Promise<void> {
    const endMs = this.nowMs + ms;
    await settle();
    while (!done()) {
      this.#timers.sort((a, b) => a.atMs - b.atMs || a.order - b.order);
      const next = this.#timers[0];
      if (next === undefined || next.atMs > endMs) break;
      this.#timers.shift();
      this.nowMs = Math.max(this.nowMs, next.atMs);
      next.run();
      await settle();
    }
    if (!done()) this.nowMs = Math.max(this.nowMs, endMs);
  }

  /** Runs until the promise settles, at most `ms`. */
  async settled<T>(promise: Promise<T>, ms = 60_000): Promise<T> {
    let done = false;
    const mark = (): void => void (done = true);
    promise.then(mark, mark);
    await this.run(ms, () => done);
    if (!done) throw new Error(`nothing settled within ${ms} virtual ms`);
    return promise;
  }
}

/** Lets every promise that can go on do so. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
