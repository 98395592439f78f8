/** A small share of the campaigns on real processes, so that they cannot rot, and the proof that a
 *  campaign sees what it looks for. */
import { appendFileSync, existsSync, rmSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { encodeLine, payloadHash } from "../../src/sim/history.ts";
import { measure as failover } from "./failover.ts";
import { measure as kill } from "./kill.ts";
import { measure as linearizable } from "./linearizable.ts";
import type { Measure } from "./measure.ts";
import { measure as pause } from "./pause.ts";
import { runRound } from "./round.ts";

/** Wall time of each, seconds; most of them reach their targets long before. */
const SECONDS = 30;

describe.concurrent("a small share of the measure", () => {
  it.each([
    { measure: kill, target: 5 },
    { measure: linearizable, target: 400 },
    { measure: pause, target: 1 },
    { measure: failover, target: 2 },
  ])("$measure.name breaks no promise", async ({ measure, target }) => {
    await share(measure, target);
  });
});

async function share(measure: Measure, target: number): Promise<void> {
  const why = measure.unavailable();
  if (why !== null) {
    console.warn(`skipped: ${measure.title} (${why})`);
    return;
  }
  const progress = (): void => undefined;
  const figure = await measure.run({ target, seconds: SECONDS, seed: 1, progress });
  expect(figure.bad, figure.failures.join("\n")).toBe(0);
  expect(figure.done).toBeGreaterThan(0);
  expect(figure.text).toMatch(/\d/);
}

describe("a round of a campaign", () => {
  it("finds an acknowledgement that the log does not bear out, and keeps what it saw", async () => {
    const load = { clients: 1, sendersPerClient: 2, readersPerClient: 1, restMsMax: 5 };
    const plan = { title: "forged", seed: 1, flags: [], load };
    const { violations } = await runRound(plan, async ({ recorder }) => {
      const sent = await recorder.nextSend(() => true, 10_000);
      const forged = { ...sent, payloads: [payloadHash("never sent")], count: 1 };
      appendFileSync(recorder.path, `${encodeLine(forged as NonNullable<typeof sent>)}\n`);
    });
    const kept = /\(kept in (.*)\)$/.exec(violations[0] ?? "")?.[1] ?? "";
    expect(violations.join("\n")).toContain("but it is not in the final log");
    expect(existsSync(kept)).toBe(true);
    rmSync(kept, { recursive: true });
  });
});
