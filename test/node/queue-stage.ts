/** An append queue before a log in memory, for the tests of its rules. */

import { AppendQueue } from "../../src/node/append-queue.ts";
import type { AppendRequest, Response } from "../../src/transport/requests.ts";
import { FakeHost } from "./fake-host.ts";

export const A = "a".repeat(32);
export const B = "b".repeat(32);

/** A queue before an empty log; `answers` are rendered in a line each. */
export function setUp(): {
  readonly host: FakeHost;
  readonly queue: AppendQueue<string>;
  readonly offer: (
    clientId: string,
    first: number,
    options?: Partial<AppendRequest> & { name?: string; nowMs?: number },
  ) => void;
  readonly commit: (index?: number, nowMs?: number) => void;
  readonly answers: () => string[];
} {
  const host = new FakeHost();
  const queue = new AppendQueue<string>(host);
  return {
    host,
    queue,
    offer(clientId, firstSequence, { name, nowMs = 0, ...rest } = {}) {
      const request: AppendRequest = {
        type: "append",
        clientId,
        firstSequence,
        count: 1,
        bornAt: 1,
        ifLast: null,
        payloads: new Uint8Array(8),
        ...rest,
      };
      queue.offer(request, name ?? `${clientId[0]}${firstSequence}`, nowMs);
    },
    commit(index = host.lastIndex, nowMs = 0) {
      host.commitIndex = index;
      queue.committed(index, nowMs);
    },
    answers: () =>
      queue.takeAnswers().map(({ requester, response }) => `${requester} ${render(response)}`),
  };
}

function render(response: Response): string {
  if (response.type === "appended")
    return `at ${response.index}${response.count > 1 ? `+${response.count}` : ""} t${response.term}${response.duplicate ? " again" : ""}`;
  if (response.type === "refused")
    return response.code + (response.number === null ? "" : ` ${response.number}`);
  return response.type;
}
