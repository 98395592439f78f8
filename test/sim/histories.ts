/** Histories for the tests of the checkers: made by a log that is right by construction, and spoilt
 *  in one place. */
import * as fc from "fast-check";
import type { FinalLog, Operation, ReadOperation, SendOperation } from "../../src/sim/history.ts";
import { ReadDigest } from "../../src/sim/history.ts";

export interface Made {
  readonly operations: readonly Operation[];
  readonly finalLog: FinalLog;
}

export function send(fields: Partial<SendOperation> = {}): SendOperation {
  const payloads = fields.payloads ?? ["a"];
  return {
    kind: "send",
    client: "c1",
    node: null,
    callNs: 0,
    returnNs: 10,
    outcome: "ok",
    requestId: null,
    ifLast: null,
    index: 1,
    count: payloads.length,
    term: 1,
    payloads,
    ...fields,
  };
}

/** A read of what `log` holds from `from` to `index`. */
export function read(
  log: FinalLog,
  from: number,
  index: number,
  fields: Partial<ReadOperation> = {},
): ReadOperation {
  const digest = new ReadDigest();
  for (let at = from; at <= index; at++) digest.add(at, log[at - 1] ?? null);
  return {
    kind: "read",
    client: "c2",
    node: null,
    callNs: 0,
    returnNs: 10,
    outcome: "ok",
    from,
    index,
    count: index - from + 1,
    term: index >= from ? 1 : null,
    digest: digest.toString(),
    ...fields,
  };
}

/** One step of the right log: what happens at one instant. */
type Step =
  | { readonly type: "own" }
  | {
      readonly type: "send";
      readonly count: number;
      readonly fate: Fate;
      readonly ifLast: boolean;
      /** Refused because of another `ifLast`, and told so. */
      readonly isTold: boolean;
    }
  | { readonly type: "read"; readonly back: number };

/** told: acknowledged. untold: in the log, but the client never heard. lost, refused: not in it. */
type Fate = "told" | "untold" | "lost" | "refused";

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 1, arbitrary: fc.constant({ type: "own" } as const) },
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constant("send" as const),
      count: fc.constantFrom(1, 1, 1, 2, 3),
      fate: fc.constantFrom<Fate>("told", "told", "told", "untold", "lost", "refused", "refused"),
      ifLast: fc.integer({ min: 0, max: 7 }).map((dice) => dice === 0),
      isTold: fc.boolean(),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constant("read" as const), back: fc.nat({ max: 6 }) }),
  },
);

/** How long before and after its instant an operation is called and returns, in ns. */
const margins = fc.tuple(fc.nat({ max: 40 }), fc.nat({ max: 40 }));

/** Histories of a log that takes effect at one instant between call and return, 10 ns apart. */
export function rightHistories(stepsMax: number): fc.Arbitrary<Made> {
  return fc.array(fc.tuple(step, margins), { maxLength: stepsMax }).map(make);
}

function make(steps: readonly (readonly [Step, readonly [number, number]])[]): Made {
  const log: (string | null)[] = [];
  const operations: Operation[] = [];
  for (const [at, [step, [before, after]]] of steps.entries()) {
    const instantNs = 100 + 10 * at;
    const times = { callNs: instantNs - before, returnNs: instantNs + after + 1 };
    if (step.type === "own") log.push(null);
    else if (step.type === "read") {
      const from = Math.max(1, log.length + 3 - step.back);
      operations.push(read(log, from, Math.max(from - 1, log.length), times));
    } else {
      const payloads = Array.from({ length: step.count }, (_, offset) => `${at}.${offset}`);
      const lastUser = log.findLastIndex((entry) => entry !== null) + 1;
      const ifLast = step.ifLast ? lastUser : null;
      const index = log.length + 1;
      if (step.fate === "told") operations.push(send({ ...times, payloads, ifLast, index }));
      else {
        const outcome = step.fate === "refused" ? "refused" : "unknown";
        const unanswered = { index: null, term: null, outcome } as const;
        const told =
          step.fate === "refused" && step.isTold
            ? { ifLast: lastUser + 1 + (at % 2), lastUser }
            : { ifLast };
        operations.push(send({ ...times, payloads, ...unanswered, ...told }));
      }
      if (step.fate === "told" || step.fate === "untold") log.push(...payloads);
    }
  }
  return { operations, finalLog: log };
}

/** One small change somewhere; it may leave the history right. */
export interface Spoil {
  readonly where: number;
  readonly how: number;
  readonly by: number;
}

export const spoils: fc.Arbitrary<Spoil> = fc.record({
  where: fc.nat(),
  how: fc.nat({ max: 12 }),
  by: fc.integer({ min: 1, max: 60 }),
});

export function spoil({ operations, finalLog }: Made, { where, how, by }: Spoil): Made {
  const at = where % Math.max(1, operations.length);
  const place = where % Math.max(1, finalLog.length);
  const change = (changed: (operation: Operation) => Operation): Made => ({
    operations: operations.map((operation, i) => (i === at ? changed(operation) : operation)),
    finalLog,
  });
  const inLog = (log: FinalLog): Made => ({ operations, finalLog: log });
  switch (how) {
    case 0:
      return change((operation) => later(operation, by * 3));
    case 1:
      return change((operation) => ({ ...operation, returnNs: operation.callNs + (by % 4) }));
    case 2:
      return change((operation) => ({ ...operation, outcome: "ok", index: 1 + (by % 6), term: 1 }));
    case 3:
      return change((operation) => ({ ...operation, outcome: "refused" }));
    case 4:
      return change((operation) => ({ ...operation, outcome: "unknown" }));
    case 5:
      return change((operation) =>
        operation.kind === "send" ? { ...operation, ifLast: by % 4 } : { ...operation, count: by },
      );
    case 6:
      return inLog(finalLog.toSpliced(place, 1));
    case 7:
      return inLog(finalLog.toSpliced(by % (finalLog.length + 1), 0, finalLog[place] ?? null));
    case 8:
      return inLog(finalLog.toSpliced(place, 1, null));
    case 9:
      return inLog(finalLog.toSpliced(place, 2, ...finalLog.slice(place, place + 2).toReversed()));
    case 10:
      return change((operation) =>
        operation.kind === "read"
          ? read(finalLog, operation.from, operation.from - 1 + (by % 4), {
              callNs: operation.callNs,
              returnNs: operation.returnNs,
            })
          : { ...operation, callNs: operation.callNs - by, returnNs: operation.callNs },
      );
    case 11:
      return change((operation) =>
        operation.kind === "send" ? { ...operation, lastUser: by % 6 } : later(operation, by),
      );
    default:
      return inLog(finalLog.toSpliced(place, 0, "never sent"));
  }
}

function later(operation: Operation, byNs: number): Operation {
  const callNs = operation.callNs + byNs;
  return { ...operation, callNs, returnNs: Math.max(callNs, operation.returnNs ?? 0) };
}
