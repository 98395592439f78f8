/** A client for the length of one command, and its failures in a person's words. */

import type { NodeId } from "../base/types.ts";
import { RaftClient } from "../client/client.ts";
import { RaftError } from "../client/types.ts";
import { userAtHost } from "../transport/machine.ts";
import type { CommandArguments, CommandContext } from "./command.ts";
import { nobodyAnswersJson, nobodyAnswersText } from "./errors.ts";
import { CommandError, type ExitCode } from "./exit-codes.ts";
import type { Hints } from "./hints.ts";
import { dataOf, nodesHere, nodesNear, rememberedAddresses } from "./local-nodes.ts";
import { isUsualDirectory, typedPath } from "./places.ts";
import { CLIENT_TIMEOUT_MS, FLAGS, parseDuration, SettingsReader } from "./settings.ts";
import { readPeers, readStartTarget, readTarget, TARGET_FLAGS } from "./target.ts";

/** The flags of every command that asks a cluster. */
export const CLIENT_FLAGS = {
  ...TARGET_FLAGS,
  peers: FLAGS.peers,
  timeout: FLAGS.timeout,
} as const;

export interface ClientSession {
  readonly client: RaftClient;
  readonly cluster: string;
  readonly hints: Hints;
  /** How long one call may take. */
  readonly timeoutMs: number;
  /** True when --timeout or RAFT_TIMEOUT was given. */
  readonly timeoutGiven: boolean;
  /** A failure of the cluster as the CommandError that ends the command; anything else as it is.
   *  `isAdvised` false: without advice, which would be about one of several calls. */
  readonly explain: (error: unknown, isAdvised?: boolean) => unknown;
}

/** What is special about a command. */
interface ClientUse {
  readonly usualTimeoutMs?: number;
  /** The node that it is about, for hints. */
  readonly wanted?: NodeId | null;
  /** It is about whatever is heard: several clusters may run here. */
  readonly ofAllClusters?: boolean;
}

/** Opens a client as the flags say, lets `use` work with it, closes it. A failure of the cluster
 *  becomes a CommandError. */
export async function withClient(
  args: CommandArguments,
  context: CommandContext,
  use: (session: ClientSession) => Promise<ExitCode>,
  { usualTimeoutMs = CLIENT_TIMEOUT_MS, wanted = null, ofAllClusters = false }: ClientUse = {},
): Promise<ExitCode> {
  const reader = new SettingsReader(args, context.machine.environment);
  const timeoutMs = reader.read("timeout", parseDuration, usualTimeoutMs);
  const peers = readPeers(reader);
  const multicastPort = reader.multicastPort();
  const target = ofAllClusters
    ? readStartTarget(reader, context, null)
    : readTarget(reader, context);
  reader.check();
  const client = await RaftClient.connect({
    key: target.key,
    peers,
    remembered: rememberedAddresses(
      nodesHere(context.machine),
      ofAllClusters ? null : target.cluster,
    ),
    timeoutMs,
    multicastPort,
    loopbackOnly: reader.loopbackOnly(),
    userHost: userAtHost(),
  });
  const explain = (error: unknown, isAdvised = true): unknown =>
    explained(error, context, target.hints, wanted, isAdvised);
  const timeoutGiven = reader.text("timeout") !== null;
  try {
    return await use({
      client,
      cluster: target.cluster,
      hints: target.hints,
      timeoutMs,
      timeoutGiven,
      explain,
    });
  } catch (error) {
    throw explain(error);
  } finally {
    await client.close();
  }
}

function explained(
  error: unknown,
  context: CommandContext,
  hints: Hints,
  wanted: NodeId | null,
  isAdvised: boolean,
): unknown {
  if (!(error instanceof RaftError)) return error;
  if (error.nobody === null)
    return new CommandError(isAdvised ? error.message : error.what, error.exitCode);
  const { machine } = context;
  const here = nodesNear(machine)
    .filter((node) => node.cluster === error.nobody?.cluster)
    .map(({ cluster, id, held, directory }) => {
      const data = held === null ? dataOf(directory) : null;
      const { entries = null, lastUsedMs = null } = data ?? {};
      const isUsual = isUsualDirectory(machine, directory, cluster, id);
      const elsewhere = isUsual ? null : typedPath(machine, directory);
      return { id, running: held !== null, directory: elsewhere, entries, lastUsedMs };
    });
  return new CommandError(
    nobodyAnswersText(error.nobody, here, context.typed, hints, wanted),
    error.exitCode,
    nobodyAnswersJson(error.nobody),
  );
}
