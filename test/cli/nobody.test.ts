/** What is said when nobody answers, the fifth state of `raft status`: what was tried, what was
 *  heard, what is here, what to do next. */

import { describe, expect, it } from "vitest";
import { Hints } from "../../src/cli/hints.ts";
import { nobodyAnswersJson, nobodyAnswersText } from "../../src/cli/errors.ts";
import type { NobodyAnswers } from "../../src/client/types.ts";
import { at, hints, lines } from "./context.ts";

describe("what is said", () => {
  const nobody: NobodyAnswers = {
    cluster: "raft",
    interfaces: ["10.0.0.7", "127.0.0.1"],
    ways: ["multicast", "broadcast"],
    seconds: 2,
    heard: [
      {
        cluster: "g4",
        auth: "open",
        keyDiffers: false,
        leader: { id: 1, userHost: "bob@lab-21" },
        waitingFor: [],
        nodes: [],
      },
      { cluster: "g5", auth: "open", keyDiffers: false, leader: null, waitingFor: [3], nodes: [] },
    ],
  };

  it("when nobody answers", () => {
    const here = [{ id: 1, running: false, directory: null, entries: 42, lastUsedMs: at(15, 31) }];
    expect(nobodyAnswersText(nobody, here, ["status"], hints)).toBe(
      lines(
        "nobody answers for cluster raft",
        "  asked   on 10.0.0.7 and 127.0.0.1, by multicast and broadcast, for 2.0 s",
        "  heard   g4 (leader bob@lab-21), g5 (waiting for node 3)",
        "  here    node 1 of raft is not running; its data: 42 entries, last used 14 Nov 15:31",
        "  next    start it: ./raft up --id 1     another name: ./raft status --cluster g4     an address: ./raft status --peers HOST",
      ),
    );
    expect(JSON.stringify(nobodyAnswersJson(nobody))).toBe(
      '{"error":"nobody answers","cluster":"raft","heard":["g4","g5"]}',
    );
  });

  it("in milliseconds when it was so short, and by id where a leader has no name", () => {
    const leader = { id: 1, userHost: "" };
    const heard = nobody.heard.map((each) => ({ ...each, leader }));
    const text = nobodyAnswersText({ ...nobody, heard, seconds: 0.005 }, [], ["status"], hints);
    expect(text).toContain("broadcast, for 5 ms\n  heard   g4 (leader node 1)");
    // Whoever was hardly asked may well run: nobody is told to start another one.
    expect(text).toContain("  next    more time: ./raft status --timeout 2s     another name:");
  });

  it("when one node is asked for, it is the one to start", () => {
    const here = [1, 3].map((id) => ({
      id,
      running: false,
      directory: null,
      entries: 42,
      lastUsedMs: null,
    }));
    expect(nobodyAnswersText(nobody, here, ["stop", "3"], hints, 3)).toContain(
      "  next    start it: ./raft up --id 3     another name: ./raft stop 3 --cluster g4",
    );
    expect(nobodyAnswersText(nobody, here, ["stop", "2"], hints, 2)).toContain(
      "start it, on its machine: ./raft up --id 2",
    );
  });

  it("with the directory of a node that is not in the usual place", () => {
    const here = [{ id: 1, running: false, directory: "d1", entries: 42, lastUsedMs: at(15, 31) }];
    const text = nobodyAnswersText({ ...nobody, heard: [] }, here, ["status"], hints);
    expect(text).toContain(
      lines(
        "  here    node 1 of raft is not running; its data in d1: 42 entries, last used 14 Nov 15:31",
        "  next    start it: ./raft up --id 1 --data-dir d1     an address: ./raft status --peers HOST",
      ),
    );
  });

  it("when the name is heard under another key", () => {
    const other = {
      cluster: "raft",
      auth: "key",
      keyDiffers: true,
      leader: null,
      waitingFor: [],
      nodes: [],
    } as const;
    expect(nobodyAnswersText({ ...nobody, heard: [other] }, [], ["send"], hints)).toContain(
      "heard   raft with another key (no leader)\n  next    start one: ./raft up --id 1     its key differs: copy the same raft.key to both",
    );
  });

  it("with all that was typed, so that the line does what the failed one was to do", () => {
    const next = (seconds: number, typed: readonly string[], with_ = hints): string => {
      const text = nobodyAnswersText({ ...nobody, seconds }, [], typed, with_);
      return text.split("\n").at(-1) ?? "";
    };
    const sent = next(2, ["send", "--if-last", "3", "Nova entrada", "--cluster", "g9"]);
    expect(sent).toContain(
      'another name: ./raft send --if-last 3 "Nova entrada" --cluster g4     an address: ./raft send --if-last 3 "Nova entrada" --peers HOST',
    );
    // Flags do not go behind what is text whatever it begins with.
    expect(next(2, ["send", "--timeout=3s", "--", "-5 graus", "--cluster"])).toContain(
      'another name: ./raft send --timeout=3s --cluster g4 -- "-5 graus" --cluster     an address: ./raft send --timeout=3s --peers HOST -- "-5 graus" --cluster',
    );
    const named = new Hints("./raft", " --cluster g9");
    expect(
      next(0.005, ["members", "add", "4", "--timeout", "5ms", "--cluster=g9"], named),
    ).toContain("more time: ./raft members add 4 --timeout 2s --cluster g9     another name:");
    expect(next(0.005, ["log", "--node", "3", "--peers", "a,b", "--timeout", "5"])).toContain(
      "more time: ./raft log --node 3 --peers a,b --timeout 2s     another name: ./raft log --node 3 --peers a,b --timeout 5 --cluster g4     an address: ./raft log --node 3 --timeout 5 --peers HOST",
    );
    expect(next(2, ["send", "x".repeat(100_000)])).toContain("./raft send ENTRY --cluster g4");
  });
});
