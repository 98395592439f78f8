/** Why a data directory cannot be used, as a sentence whatever refuses. */

import { describe, expect, it } from "vitest";
import { openDataDirectory } from "../../src/node/data-directory.ts";
import { StartError } from "../../src/node/types.ts";
import { writeIdentity } from "../../src/storage/identity.ts";
import { LOG_LIMITS } from "../../src/storage/limits.ts";
import { MemoryDisk } from "../../src/storage/memory-disk.ts";
import { systemClock } from "../../src/transport/clock.ts";
import { systemDice } from "../../src/transport/dice.ts";
import { FRESH_IDENTITY } from "../storage/fixture.ts";

const HOLDER = {
  user: "ana",
  host: "lab-07",
  pid: 4711,
  address: "10.0.0.7:7402",
  machineBootId: null,
  sinceMs: 0,
};

/** What is thrown where another process runs on the directory of node 2. */
function refusal(disk: MemoryDisk): unknown {
  const ground = {
    lock: () => ({ ok: false, holder: HOLDER }) as const,
    openDisk: () => disk,
    isNetworkDisk: () => false,
    limits: LOG_LIMITS,
    syncProblem: null,
  };
  try {
    return openDataDirectory({
      path: "/data",
      typed: "data",
      cluster: "raft",
      id: 1,
      dice: systemDice,
      clock: systemClock,
      userHost: "ana@lab-07",
      executable: "./raft",
      ground,
    });
  } catch (error) {
    return error;
  }
}

function directoryOfNode2(): MemoryDisk {
  const disk = new MemoryDisk();
  writeIdentity(disk, { ...FRESH_IDENTITY, cluster: "raft", id: 2 });
  return disk;
}

describe("a data directory that another process holds", () => {
  it("is named with the node that it belongs to", () => {
    const error = refusal(directoryOfNode2());
    expect(error).toBeInstanceOf(StartError);
    expect(error).toMatchObject({
      exitCode: 8,
      message: expect.stringMatching(/^data belongs to node 2 of cluster raft, which already runs/),
    });
  });

  it("is refused in a sentence too when whose it is cannot be read", () => {
    const disk = directoryOfNode2();
    disk.faults.push({ operation: "read", path: "identity", code: "EIO", after: 0 });
    const error = refusal(disk);
    expect(error).toBeInstanceOf(StartError);
    expect(error).toMatchObject({
      exitCode: 8,
      message: expect.stringMatching(
        /^cannot use the data directory \/data: .*EIO.*\. Name another: --data-dir DIR$/,
      ),
    });
  });
});
