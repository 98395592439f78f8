/** What each exit code means, and how a command ends with one. */

/** 0 ok, 1 a bug of ours, 2 usage, 3 nobody answers, 4 not done, 5 unknown, 6 degraded, 7
 *  damaged, 8 refused, 130 Ctrl-C. */
export type ExitCode = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 130;

/** One short line for each, as `--help` shows them. */
export const EXIT_MEANINGS: Readonly<Record<ExitCode, string>> = {
  0: "done",
  1: "a bug in raft",
  2: "typed wrongly",
  3: "nobody answers",
  4: "not done by this command, safe to repeat it (no leader, not founded, not committed)",
  5: "outcome unknown (send prints the --request-id that repeats it safely; send - needs yours)",
  6: "degraded: a voter is missing (status --check)",
  7: "storage damaged",
  8: "refused by a safety rule, or id or directory in use",
  130: "Ctrl-C",
};

/** Ends a command with a sentence for people. The exit code says which kind of failure it was. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  readonly exitCode: ExitCode;
  /** More for `--json`: merged into the printed object. */
  readonly details: Readonly<Record<string, unknown>>;
  constructor(
    message: string,
    exitCode: ExitCode,
    details: Readonly<Record<string, unknown>> = {},
  ) {
    super(message);
    this.exitCode = exitCode;
    this.details = details;
  }
}

/** Something was typed that cannot be right: exit 2. One problem per line. */
export class UsageError extends CommandError {
  /** False when the message says all: no pointer to --help then. */
  readonly pointToHelp: boolean;
  constructor(message: string, pointToHelp = true) {
    super(message, 2);
    this.pointToHelp = pointToHelp;
  }
}
