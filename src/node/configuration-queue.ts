/** Operators who wait for their configuration entry to commit. */

import type { LogIndex, Term } from "../base/types.ts";
import type { Configuration } from "../raft/types.ts";
import type { RefusalCode, Response } from "../transport/requests.ts";

interface Waiting {
  readonly configuration: Configuration;
  readonly term: Term;
  readonly answer: (response: Response) => void;
}

export class ConfigurationQueue {
  #waiting: Waiting[] = [];

  wait(configuration: Configuration, term: Term, answer: (response: Response) => void): void {
    this.#waiting.push({ configuration, term, answer });
  }

  /** Answers whatever is decided: by (index, term), because another term's entry may stand
   *  there. */
  committed(commitIndex: LogIndex, termAt: (index: LogIndex) => Term | undefined): void {
    const decided = this.#waiting.filter(({ configuration }) => configuration.index <= commitIndex);
    if (decided.length === 0) return;
    this.#waiting = this.#waiting.filter(({ configuration }) => configuration.index > commitIndex);
    for (const { configuration, term, answer } of decided) {
      if (termAt(configuration.index) === term) answer({ type: "done", text: "", configuration });
      else
        answer(refusal("overwritten", "another leader's entry stands there: nothing was changed"));
    }
  }

  leadershipLost(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { answer } of waiting) {
      answer(refusal("unknown", "this node stopped leading before the change was decided"));
    }
  }
}

function refusal(code: RefusalCode, text: string): Response {
  return { type: "refused", code, text, leader: null, number: null };
}
