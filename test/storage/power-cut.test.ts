/** The log against an array, through thousands of power cuts that keep any subset of unsynced
 *  sectors. */

import { describe, expect, it } from "vitest";
import { dice } from "./fixture.ts";
import { Model } from "./model.ts";

const SEEDS = Number(process.env["RAFT_SEEDS"] ?? 60);
const FIRST_SEED = Number(process.env["RAFT_SEED"] ?? 1);

function run(seed: number, crash: (model: Model) => void): void {
  const random = dice(seed);
  const model = new Model(random);
  try {
    for (let life = 0; life < 6; life += 1) {
      for (let steps = model.pick(60); steps > 0; steps -= 1) model.step();
      if (model.pick(4) === 0) model.settle();
      model.check();
      crash(model);
    }
  } catch (thrown) {
    throw new Error(`replay with RAFT_SEEDS=1 RAFT_SEED=${seed}: ${String(thrown)}`, {
      cause: thrown,
    });
  }
}

describe("a log under crashes", () => {
  it("keeps what was acknowledged through power cuts and never calls one damage (56, 59)", () => {
    for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed += 1)
      run(seed, (model) => model.crash(true));
  });

  it("keeps it when the process dies and the power goes soon after (58)", () => {
    for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed += 1) {
      run(seed, (model) => {
        model.crash(false);
        model.crash(true);
      });
    }
  });

  it("keeps it when the power goes again during recovery", () => {
    for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed += 1) {
      run(seed, (model) => {
        model.disk.powerCut(model.random);
        model.tasks.length = 0;
        const operation = model.pick(2) === 0 ? "sync" : "syncDirectory";
        const path =
          operation === "sync" ? ([".log", ".preparing", "hardstate"][model.pick(3)] ?? "") : "";
        model.disk.faults.push({ operation, path, code: "EIO", after: model.pick(2) });
        try {
          model.recover();
        } catch (thrown) {
          if (!String(thrown).includes("EIO")) throw thrown;
        }
        model.disk.faults.length = 0;
        model.crash(true);
      });
    }
  });

  it("reads the same before and after an orderly stop", () => {
    for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS / 4; seed += 1) {
      run(seed, (model) => {
        model.flush();
        model.settle();
        model.flush();
        model.settle();
        const { older, kept } = model;
        model.log.close();
        model.store.hardStates.close();
        model.crash(true);
        // A truncation that nothing followed is not written: nothing depends on it.
        if (older.length === 0) expect(model.kept).toEqual(kept);
      });
    }
  });
});
