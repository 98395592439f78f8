/** `raft send -`: all in order, a few batches at a time, and an exact account when it fails. */

import { describe, expect, it } from "vitest";
import type { CommandContext } from "../../src/cli/command.ts";
import { CommandError } from "../../src/cli/exit-codes.ts";
import { type InputSession, sendInput } from "../../src/cli/send-input.ts";
import { plain } from "../../src/cli/terminal.ts";
import { RaftError, type Receipt } from "../../src/client/types.ts";
import { systemClock } from "../../src/transport/clock.ts";
import { hints, linuxMachine } from "./context.ts";

interface Sent {
  readonly entries: readonly string[];
  readonly requestId: string | undefined;
}

/** A log in memory; the batch with number `failing` (from 1) fails with `failure`. What has an id
 *  is a session of its own: of two that are under way the later one enters first. */
function fakeLog(failing = 0, failure: RaftError | null = null) {
  const sent: Sent[] = [];
  const log: string[] = [];
  let underWay = 0;
  let underWayMax = 0;
  const session: InputSession = {
    hints,
    timeoutMs: 5_000,
    explain: (error, isAdvised = true) =>
      error instanceof RaftError
        ? new CommandError(isAdvised ? error.message : error.what, error.exitCode)
        : error,
    client: {
      async send(entries, options = {}) {
        const list = Array.isArray(entries) ? entries : [entries];
        const texts = list.map((entry) => Buffer.from(entry).toString());
        sent.push({ entries: texts, requestId: options.requestId });
        const number = sent.length;
        underWay += 1;
        underWayMax = Math.max(underWayMax, underWay);
        if (options.requestId !== undefined) await sleep(20 / number);
        const first = log.push(...texts) - texts.length + 1;
        await sleep(2);
        underWay -= 1;
        if (number === failing && failure !== null) throw failure;
        const receipt: Receipt = {
          index: first,
          count: list.length,
          term: 1,
          timeMs: 5,
          duplicate: false,
          holders: [1, 2],
          tookMs: 2,
        };
        return receipt;
      },
    },
  };
  return { session, sent, log, underWayMax: () => underWayMax };
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function contextOf(input: readonly string[], signal = new AbortController().signal) {
  const out: string[] = [];
  const said: string[] = [];
  async function* chunks() {
    for (const text of input) yield new TextEncoder().encode(text);
  }
  const context: CommandContext = {
    typed: [],
    executable: "./raft",
    selfCommand: [],
    version: "1.0.0",
    machine: linuxMachine(),
    clock: systemClock,
    signal,
    terminal: {
      out: async (text) => void out.push(text.toString()),
      flush: async () => {},
      say: (line) => void said.push(line),
      progress: () => {},
      ask: async () => null,
      input: chunks(),
      endInput: () => {},
      inputIsTerminal: false,
      outIsTerminal: false,
      talkIsTerminal: false,
      paintOut: plain,
      paintTalk: plain,
    },
  };
  return { context, out, said };
}

const numbers = Array.from({ length: 10_000 }, (_, at) => `${at + 1}\n`);

describe("a long input", () => {
  it.each([
    [undefined, 4],
    ["abc", 1],
  ])("arrives whole and in order, with a few batches under way (id %s: %i)", async (id, atOnce) => {
    const { session, log, underWayMax } = fakeLog();
    const { context, out, said } = contextOf([numbers.join("")]);
    expect(await sendInput(session, { _: [], quiet: true }, context, id)).toBe(0);
    expect(log).toEqual(numbers.map((line) => line.trim()));
    expect(underWayMax()).toBe(atOnce);
    expect(out).toEqual([]);
    expect(said[0]).toMatch(/^10000 entries, 1 to 10000, /);
  });

  it("is cut in the same places under the same request id, however it comes", async () => {
    const cuts = [numbers.join(""), numbers.join("").match(/[^]{1,777}/g) ?? []].map((input) =>
      [input].flat(),
    );
    const sentTwice = await Promise.all(
      cuts.map(async (input) => {
        const { session, sent } = fakeLog();
        await sendInput(session, { _: [], quiet: true }, contextOf(input).context, "abc");
        return sent;
      }),
    );
    expect(sentTwice[0]).toEqual(sentTwice[1]);
    expect(sentTwice[0]?.map(({ requestId }) => requestId).slice(0, 2)).toEqual(["abc/1", "abc/2"]);
  });

  it("prints a receipt a line, empty lines included", async () => {
    const { session } = fakeLog();
    const { context, out } = contextOf(["a\n\nc"]);
    await sendInput(session, { _: [] }, context, undefined);
    expect(
      out
        .join("")
        .trimEnd()
        .split("\n")
        .map((line) => line.slice(0, 1)),
    ).toEqual(["1", "2", "3"]);
  });
});

describe("an input that is interrupted", () => {
  /** Ctrl-C as soon as the batch with number `at` is handed to the cluster; the batch with number
   *  `silent` is never answered. */
  async function interrupted(
    at: number,
    silent: number,
    requestId?: string,
  ): Promise<readonly string[]> {
    const { session, sent } = fakeLog();
    const controller = new AbortController();
    const { context, said } = contextOf([numbers.join("")], controller.signal);
    const send: InputSession["client"]["send"] = async (entries, options) => {
      if (sent.length + 1 === at) controller.abort();
      const receipt = await session.client.send(entries, options);
      return sent.length >= silent ? new Promise(() => undefined) : receipt;
    };
    const code = await sendInput(
      { ...session, client: { send } },
      { _: [], quiet: true },
      context,
      requestId,
    );
    expect(code).toBe(130);
    return said;
  }

  it("says what is in the log, and that nothing follows", async () => {
    expect(await interrupted(2, Infinity)).toEqual([
      "interrupted. In the log: the first 4096 entries of the input, at 1 to 4096. What follows is not in it.",
    ]);
  });

  it("says which lines nobody knows of", async () => {
    expect(await interrupted(1, 1)).toEqual([
      "interrupted. No line is acknowledged. Lines 1 to 2048 may or may not be in the log; what follows is not. See ./raft log -n 2048",
    ]);
  });

  it("says under an id only what this command did", async () => {
    const again =
      "To finish it without adding a line twice, with the same input:\n./raft send - --request-id abc";
    expect(await interrupted(1, Infinity, "abc")).toEqual([
      `interrupted. In the log: the first 2048 entries of the input, at 1 to 2048. What follows was not sent. ${again}`,
    ]);
    expect(await interrupted(1, 1, "abc")).toEqual([
      `interrupted. No line is acknowledged. Lines 1 to 2048 may or may not be in the log; what follows was not sent. ${again}`,
    ]);
  });
});

describe("an input that fails in the middle", () => {
  async function failure(error: RaftError, failing = 2, requestId?: string): Promise<CommandError> {
    const { session } = fakeLog(failing, error);
    try {
      await sendInput(
        session,
        { _: [], quiet: true },
        contextOf(["a\n", "b\n", "c\n"]).context,
        requestId,
      );
    } catch (thrown) {
      if (thrown instanceof CommandError) return thrown;
      throw thrown;
    }
    throw new Error("it did not fail");
  }

  const silent = new RaftError("unknown: node 2 took the entry and fell silent (5.0 s)", 5);

  it("never says that a line is not in the log of which nobody knows", async () => {
    const error = await failure(silent, 1);
    expect(error.exitCode).toBe(5);
    expect(error.message).toMatch(
      /^unknown: .*\nLines 1 to \d may or may not be in the log\. See \.\/raft log -n 20$/,
    );
  });

  it("is finished by the same input under the same request id", async () => {
    const again = 'with the same input:\n./raft send - --request-id "a b"';
    const unknown = await failure(silent, 1, "a b");
    expect(unknown.message).toBe(
      `${silent.message}\nNo line is acknowledged. Lines 1 to 3 may or may not be in the log. To finish it without adding a line twice, ${again}`,
    );
    const busy = new RaftError("not added by this call: busy", 4, { requestId: "a b/1" });
    const safe = await failure(busy, 1, "a b");
    expect(safe.exitCode).toBe(4);
    expect(safe.message).toBe(
      `${busy.message}\nNo line is acknowledged. Line 1 and those after it were not added by this command; an earlier one under this id may have added them. To finish it without adding a line twice, ${again}`,
    );
  });

  it("is not sent again when it was refused", async () => {
    const refused = await failure(new RaftError("already added: look in the log", 8), 1, "a b");
    expect(refused.message).toBe(
      "already added: look in the log\nFrom line 1 on this command added nothing.",
    );
  });

  it("says what is in the log, and that nobody knows of the rest", async () => {
    const error = await failure(silent);
    expect(error.exitCode).toBe(5);
    expect(error.message).toContain("In the log: the first 1 entry of the input, at 1.");
    expect(error.message).toMatch(
      /Lines? 2( to \d)? may or may not be in the log\. See \.\/raft log --from 2$/,
    );
  });

  describe("without an answer, while more is under way", () => {
    const busy = new RaftError("not added: busy.", 4, { advice: "Safe to send again." });

    /** The first line was not added; of those behind it `behind` is said when they are given up,
     *  null: they are acknowledged before that. */
    async function failureBefore(behind: RaftError | null): Promise<CommandError> {
      const { session, log } = fakeLog(1, busy);
      const send: InputSession["client"]["send"] = (entries, options) => {
        if (log.length === 0 || behind === null) return session.client.send(entries, options);
        const givenUp = new Promise<never>((_, reject) => {
          options?.signal?.addEventListener("abort", () => reject(behind));
        });
        return Promise.race([givenUp, sleep(500).then(() => session.client.send(entries))]);
      };
      const running = sendInput(
        { ...session, client: { send } },
        { _: [], quiet: true },
        contextOf(["a\n", "b\n", "c\n"]).context,
        undefined,
      );
      const error = await running.catch((thrown: unknown) => thrown);
      if (error instanceof CommandError) return error;
      throw new Error("it did not fail");
    }

    it("gives up the rest, and says of all that it may be sent again", async () => {
      const error = await failureBefore(busy);
      expect(error.exitCode).toBe(4);
      expect(error.message).toBe(
        "not added: busy.\nNo line of the input is in the log. Line 1 and those after it are not in it and may be sent again.",
      );
    });

    it.each([
      ["nobody knows of the rest", silent, "No line is acknowledged. "],
      ["the rest is there", null, ""],
    ])("never calls it safe to send again when %s", async (_, behind, acknowledged) => {
      const error = await failureBefore(behind);
      expect(error.exitCode).toBe(5);
      expect(error.message).toBe(
        `not added: busy.\n${acknowledged}Line 1 is not in the log; lines 2 to 3 may or may not be. See ./raft log -n 20`,
      );
    });
  });

  it("says that a line is too long after everything before it was sent", async () => {
    const { session, sent } = fakeLog();
    const { context } = contextOf(["a\nb\n", "x".repeat(1_048_577), "\nd\n"]);
    const running = sendInput(session, { _: [], quiet: true }, context, undefined);
    await expect(running).rejects.toMatchObject({
      exitCode: 2,
      message:
        "line 3 is longer than an entry may be (1048576 bytes).\nIn the log: the first 2 entries of the input, at 1 to 2.",
    });
    expect(sent.flatMap(({ entries }) => entries)).toEqual(["a", "b"]);
  });
});
