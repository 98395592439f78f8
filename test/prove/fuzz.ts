/** The scoreboard's line on fuzzing: hostile datagrams against the endpoints of a node and of a
 *  client and against the discovery port (test/fuzz/wire-fuzz.ts); and, in a fifth of the time,
 *  frames to live members, damaged directories, command lines and responses to the client library.
 *  Only datagrams are counted as done; a failure of any of them is one.
 *
 *  It can fail. Planted by hand and found within seconds: a failed seal that throws, a seal that is
 *  not checked, a dropped datagram that is not counted, a byte string of any type or length, a bad
 *  batch taken for torn before valid ones, a record whose chain is not checked, a snapshot's head
 *  that goes in unread, a response used before it could be read.
 *
 *      npx bun test/prove/fuzz.ts [SECONDS] [SEED] [TARGET]      runs it alone */

import { parseArgs } from "node:util";

import { ArgumentsFuzz } from "../fuzz/arguments-fuzz.ts";
import { Rolls } from "../fuzz/bytes.ts";
import { ClientFuzz } from "../fuzz/client-fuzz.ts";
import { MemberFuzz } from "../fuzz/member-fuzz.ts";
import { RecoveryFuzz } from "../fuzz/recovery-fuzz.ts";
import { WireFuzz } from "../fuzz/wire-fuzz.ts";
import { grouped } from "./campaign.ts";
import type { Budget, Figure, Measure } from "./measure.ts";
import { answer, lengthOf, wholeOf, wordsOf } from "./typed.ts";

/** Rounds between two looks at the clock. */
const ROUNDS_AT_ONCE = 64;
/** Bytes by which the process may grow: what may be unfinished of nodes and of clients, and room
 *  for garbage. */
const GROWTH_BYTES_MAX = 512 * 1_048_576;
/** A round of 64 datagrams, with a collection of garbage and a busy neighbour in it. */
const ROUND_MS_MAX = 5_000;

/** Of the time, for what is not a datagram; never more than so many seconds. */
const BESIDE_SHARE = 0.2;
const BESIDE_SECONDS_MAX = 300;

export const measure: Measure = {
  name: "fuzz",
  title: "datagrams fuzzed, crashes",
  unit: "datagrams",
  targets: { ci: 5_000_000, hour: 100_000_000 },
  demand: "0 crashes",
  weight: 5,
  unavailable: () => null,
  run,
};

async function run(budget: Budget): Promise<Figure> {
  const besideSeconds = Math.min(budget.seconds * BESIDE_SHARE, BESIDE_SECONDS_MAX);
  const wire = throwDatagrams(budget, budget.seconds - besideSeconds);
  const beside = await fuzzBeside(budget, besideSeconds);
  const failures = [...wire.failures, ...beside.failures].map(
    (failure) => `${failure.split("\n")[0]}; npx bun test/prove/fuzz.ts 600 ${budget.seed}`,
  );
  const bad = wire.failures.length > 0 || beside.failures.length > 0 ? 1 : 0;
  return {
    done: wire.done,
    bad,
    ok: bad === 0,
    text: `${bad} of ${grouped(wire.done)} (${wire.text}); beside them ${beside.text}`,
    failures,
  };
}

function throwDatagrams(
  budget: Budget,
  seconds: number,
): { readonly done: number; readonly text: string; readonly failures: readonly string[] } {
  const startedMs = performance.now();
  const endMs = startedMs + seconds * 1_000;
  const startBytes = process.memoryUsage().rss;
  const wire = new WireFuzz(budget.seed);
  let saidMs = startedMs;
  let done = 0;
  while (done < budget.target && performance.now() < endMs && wire.failures.length === 0) {
    for (let i = 0; i < ROUNDS_AT_ONCE && wire.round(); i++);
    done = wire.total;
    if (performance.now() - saidMs < 1_000) continue;
    saidMs = performance.now();
    budget.progress(`${grouped(done)} datagrams`);
  }
  const failures = [...wire.failures];
  const grownBytes = process.memoryUsage().rss - startBytes;
  if (grownBytes > GROWTH_BYTES_MAX) failures.push(`the process grew by ${grownBytes} bytes`);
  if (wire.slowestMs > ROUND_MS_MAX)
    failures.push(`a round of 64 datagrams took ${wire.slowestMs} ms`);
  const perSecond = Math.round((done * 1_000) / (performance.now() - startedMs));
  return { done, failures, text: `${grouped(perSecond)} a second; ${renderKinds(wire)}` };
}

/** Everything else that reads what others wrote, each for its part of the time. */
async function fuzzBeside(
  budget: Budget,
  seconds: number,
): Promise<{ readonly text: string; readonly failures: readonly string[] }> {
  const honest = new MemberFuzz(budget.seed, false);
  const lying = new MemberFuzz(budget.seed, true);
  const recovery = new RecoveryFuzz(budget.seed);
  const typed = await ArgumentsFuzz.load(new Rolls(budget.seed));
  const client = new ClientFuzz(budget.seed);
  const all = [honest, lying, recovery, typed, client];
  for (const fuzz of all) {
    const endMs = performance.now() + (seconds * 1_000) / all.length;
    let saidMs = 0;
    while (performance.now() < endMs && (await fuzz.next())) {
      if (performance.now() - saidMs < 1_000) continue;
      saidMs = performance.now();
      budget.progress("frames, directories, command lines, responses");
    }
  }
  const text = [
    `${grouped(honest.counts.frames)} late, doubled and reordered frames to live members`,
    `${grouped(lying.counts.hostile)} lying ones (${grouped(lying.counts.alarms)} stopped a member with a listed alarm)`,
    `${grouped(recovery.counts.cases)} damaged directories (${grouped(recovery.counts.opened)} opened, ${grouped(recovery.counts.kept)} shown to have kept all)`,
    `${grouped(typed.counts.lines)} command lines`,
    `${grouped(client.counts.hostile)} responses to a client`,
  ].join(", ");
  return { text, failures: all.flatMap(({ failures }) => failures) };
}

function renderKinds(wire: WireFuzz): string {
  const kinds = [...wire.counts]
    .sort(([, a], [, b]) => b - a)
    .map(([kind, count]) => `${kind} ${grouped(count)}`);
  const { delivered, decoded } = wire.world;
  const inside = `about ${grouped(wire.opened)} sealed bodies read to the end`;
  const through = `${grouped(delivered)} frames came through, ${grouped(decoded)} of them requests or responses that could be read`;
  return `${kinds.join(", ")}; ${inside}, ${through}; slowest round ${Math.round(wire.slowestMs)} ms`;
}

if (import.meta.main) {
  await answer(import.meta.url, async () => {
    const { positionals } = parseArgs({ allowPositionals: true });
    const [seconds = "60", seed = "1", target = String(measure.targets.ci)] = wordsOf(
      positionals,
      3,
    );
    const figure = await measure.run({
      target: wholeOf("TARGET", target, 1),
      seconds: lengthOf("SECONDS", seconds),
      seed: wholeOf("SEED", seed),
      progress: (text) => console.error(text),
    });
    console.log(figure.text);
    for (const failure of figure.failures) console.log(failure);
    return figure.ok ? 0 : 1;
  });
}
