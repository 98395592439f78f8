/** What was thrown, as the reason why a node ended. */

import { expect, it } from "vitest";
import { InvariantError } from "../../src/base/assert.ts";
import { endOf } from "../../src/node/ending.ts";
import { DiskFailure, StorageDamage } from "../../src/storage/disk-error.ts";

it("names the place when a record in the log cannot be read on, which is no bug of ours", () => {
  const damage = new StorageDamage("unknown record kind 196", "0000000003.log", 812);
  const text = "/data/1 cannot be read on: unknown record kind 196 (0000000003.log, offset 812)";
  expect(endOf(damage, "/data/1")).toEqual({ type: "disk", text });
});

it("tells a disk that failed from a program that is wrong", () => {
  expect(endOf(new DiskFailure("EIO", "log: broken"), "/data/1").type).toBe("disk");
  expect(endOf(new InvariantError("two leaders"), "/data/1").type).toBe("bug");
});
