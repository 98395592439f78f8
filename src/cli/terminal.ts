/** The two streams of a command: results on stdout, talk on stderr. Colours only where a person
 *  looks. */

import { createConsola } from "consola/core";
import { systemClock } from "../transport/clock.ts";

export type Colour = "bold" | "red" | "green" | "yellow" | "dim";

/** Puts a colour on a text, or leaves it as it is. */
export type Paint = (colour: Colour, text: string) => string;

export interface Terminal {
  /** A result. Resolves when the reader has taken enough of it: await it where much is written. */
  out(text: string | Uint8Array): Promise<void>;
  /** Resolves when everything written has left this process. */
  flush(): Promise<void>;
  /** A line for people, on stderr. */
  say(line: string): void;
  /** Replaces the last line on stderr; only where that is a terminal. Empty text removes it. */
  progress(text: string): void;
  /** Asks on stderr and reads one line; null at the end of input. */
  ask(question: string): Promise<string | null>;
  readonly input: AsyncIterable<Uint8Array>;
  /** Ends `input` where it is. */
  endInput(): void;
  readonly inputIsTerminal: boolean;
  readonly outIsTerminal: boolean;
  readonly talkIsTerminal: boolean;
  readonly paintOut: Paint;
  readonly paintTalk: Paint;
}

const CODES: Readonly<Record<Colour, readonly [number, number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
};

/** Never colours: files, pipes, tests. */
export const plain: Paint = (_colour, text) => text;

const ansi: Paint = (colour, text) =>
  `\u001b[${CODES[colour][0]}m${text}\u001b[${CODES[colour][1]}m`;

/** NO_COLOR counts when it is there and not empty (no-color.org). */
export function choosePaint(
  isTerminal: boolean,
  environment: Readonly<Record<string, string | undefined>>,
): Paint {
  const refused = (environment["NO_COLOR"] ?? "") !== "" || environment["TERM"] === "dumb";
  return isTerminal && !refused ? ansi : plain;
}

/** The process's own streams. `onReaderGone` is called when nobody reads stdout any more (`raft
 *  log | head`). */
export function openTerminal(
  environment: Readonly<Record<string, string | undefined>>,
  onReaderGone: () => void,
): Terminal {
  const { stdin, stdout, stderr } = process;
  const talk = createConsola({
    level: 5,
    stdout: stderr,
    stderr,
    throttle: 0,
    reporters: [{ log: (line) => void stderr.write(`${line.args.join(" ")}\n`) }],
  });
  stdout.on("error", onReaderGone);
  // A terminal that was closed takes no more talk: that alone is no reason to fail.
  stderr.on("error", () => undefined);
  return {
    out(text) {
      if (stdout.write(text)) return Promise.resolve();
      return new Promise((resolve) => void stdout.once("drain", resolve));
    },
    async flush() {
      await Promise.all(
        [stdout, stderr].map((stream) => new Promise((resolve) => void stream.write("", resolve))),
      );
    },
    say: (line) => talk.log(line),
    progress(text) {
      if (stderr.isTTY) stderr.write(`\r\u001b[K${text}`);
    },
    async ask(question) {
      stderr.write(question);
      return firstLine(stdin);
    },
    input: stdin,
    endInput: () => void stdin.destroy(),
    inputIsTerminal: stdin.isTTY === true,
    outIsTerminal: stdout.isTTY === true,
    talkIsTerminal: stderr.isTTY === true,
    paintOut: choosePaint(stdout.isTTY === true, environment),
    paintTalk: choosePaint(stderr.isTTY === true, environment),
  };
}

async function firstLine(input: AsyncIterable<Uint8Array>): Promise<string | null> {
  let text = "";
  for await (const chunk of input) {
    text += new TextDecoder().decode(chunk);
    if (text.includes("\n")) break;
  }
  return text === "" ? null : (text.split("\n")[0] ?? "").trim();
}

/** Resolves after `delayMs`, or at once when the signal is aborted. */
export function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const done = (): void => {
      cancel();
      signal.removeEventListener("abort", done);
      resolve();
    };
    const cancel = systemClock.after(delayMs, done);
    signal.addEventListener("abort", done);
  });
}
