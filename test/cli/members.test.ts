/** `raft members`, as golden text. */

import { expect, it } from "vitest";
import { renderMembers } from "../../src/cli/members.ts";
import { lines, row, status } from "./context.ts";

it("shows members first, then who waits outside", () => {
  const rows = [
    row(9, { member: "none", role: "outside", lastIndex: null }),
    row(1, {}),
    row(2, { role: "leader" }),
    row(3, { role: "unreachable", stopped: true }),
    row(4, { member: "learner" }),
  ];
  expect(renderMembers(status(rows))).toBe(
    lines(
      "ID  MEMBER         ROLE      LAST  ADDRESS         HOST",
      " 1  voter          follower    42  10.0.0.7:7401   lab-07",
      " 2  voter          leader      42  10.0.0.8:7402   lab-08",
      " 3  voter          stopped     42  10.0.0.9:7403   lab-09",
      " 4  learner        follower    42  10.0.0.10:7404  lab-010",
      " 9  waits outside  outside      -  10.0.0.15:7409  lab-015",
    ),
  );
});

it("before founding calls the founders that, also those that were never started", () => {
  const fresh = { member: "none", lastIndex: null } as const;
  const nowhere = { ...fresh, address: null, host: null };
  const rows = [
    row(1, { ...fresh, role: "waiting" }),
    row(2, { ...nowhere, role: "unheard" }),
    row(3, { ...nowhere, role: "unheard" }),
    row(5, { ...fresh, role: "outside" }),
  ];
  expect(renderMembers(status(rows, { founded: false, leader: null }))).toBe(
    lines(
      "ID  MEMBER         ROLE     LAST  ADDRESS         HOST",
      " 1  founder        waiting     -  10.0.0.7:7401   lab-07",
      " 2  founder        unheard     -  -               -",
      " 3  founder        unheard     -  -               -",
      " 5  waits outside  outside     -  10.0.0.11:7405  lab-011",
    ),
  );
});
