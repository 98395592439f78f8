/** Starting a node: opens the data directory and the sockets, refuses with a sentence, and sets the
 *  process going. */

import { type Address, addressText, usualPort } from "../base/hosts.ts";
import { openDiscovery } from "../discovery/discovery.ts";
import { syncMethod } from "../storage/real-disk.ts";
import { type Clock, systemClock } from "../transport/clock.ts";
import { randomId, systemDice } from "../transport/dice.ts";
import { createEndpoint } from "../transport/endpoint.ts";
import { datagramSizes, ownHosts, userAtHost } from "../transport/machine.ts";
import type { UdpSocket } from "../transport/types.ts";
import { openUdpSocket } from "../transport/udp-socket.ts";
import { type DataDirectory, openDataDirectory } from "./data-directory.ts";
import { serveHttp } from "./http.ts";
import { NodeProcess } from "./process.ts";
import { type NodeOptions, type RunningNode, StartError } from "./types.ts";

const NO_FULL_SYNC =
  "F_FULLFSYNC cannot be called here: this disk may lose acknowledged entries when power fails";

/** Starts a node. It runs until `stop`, `kill`, or its end; `ended` says which.
 *  Throws StartError when the directory, the port or the id cannot be had. */
export async function startNode(options: NodeOptions): Promise<RunningNode> {
  const clock = systemClock;
  const bootId = randomId(systemDice);
  const userHost = userAtHost();
  const directory = openDataDirectory({
    path: options.dataDir,
    cluster: options.key.cluster,
    id: options.id,
    dice: systemDice,
    clock,
    userHost,
    executable: options.executable,
  });
  try {
    return await startIn(directory, options, clock, bootId, userHost);
  } catch (error) {
    directory.close();
    throw error;
  }
}

async function startIn(
  directory: DataDirectory,
  options: NodeOptions,
  clock: Clock,
  bootId: string,
  userHost: string,
): Promise<RunningNode> {
  let running: NodeProcess | null = null;
  const { socket, portTaken } = await openDataSocket(
    options,
    directory.identity.port,
    (datagram, from) => running?.takeDatagram(datagram, from),
  );
  directory.rememberPort(
    socket.address.port === usualPort(options.id) ? null : socket.address.port,
  );
  const self = { id: options.id, incarnation: directory.identity.incarnation, bootId };
  const receiveWindowBytes = Math.floor(socket.receiveBufferBytes / 2);
  const datagramBytesMax = datagramSizes(options.mtuBytes);
  const hosts =
    options.listen === null ? () => ownHosts(options.loopbackOnly) : () => [options.listen ?? ""];
  running = new NodeProcess({
    options,
    clock,
    dice: systemDice,
    self,
    userHost,
    ownHosts: hosts,
    directory,
    socket,
    receiveWindowBytes,
    datagramBytesMax,
    createEndpoint: (process) =>
      createEndpoint({
        key: options.key,
        self: { kind: "node", identity: self },
        hello: () => process.hello(),
        dice: systemDice,
        datagramBytesMax,
        receiveWindowBytes,
        transmit: (datagram, address) => socket.send(datagram, address),
        onHello: (connection, hello, first) => process.takeHello(connection, hello, first),
        onFrame: (connection, frame) => process.takeFrame(connection, frame),
        onDouble: (hello, address) => process.takeDouble(hello, address),
      }),
    openDiscovery: (process) =>
      openDiscovery({
        loopbackOnly: options.loopbackOnly,
        peers: options.peers,
        remembered: directory.rememberedAddresses(),
        beacon: () => process.beacon(),
        bootId,
        onHint: (hint) => process.takeHint(hint),
        multicastPort: options.multicastPort,
        now: clock.monotonicMs,
        after: clock.after,
      }),
  });
  directory.describeAddress(running.address);
  running.emit({
    type: "opened",
    version: options.version,
    id: options.id,
    cluster: options.key.cluster,
    address: running.address,
    auth: options.key.auth,
    dataDir: options.dataDir,
    past: directory.past,
    portTaken,
    networkDisk: directory.networkDisk,
  });
  sayOtherFounders(options, directory, running);
  if (syncMethod() === null) running.emit({ type: "note", text: NO_FULL_SYNC });
  await running.begin();
  await maybeServeHttp(options.http, running);
  return running;
}

/** Founders that are typed after the founding change nothing, and a person who typed them should
 *  know. */
function sayOtherFounders(
  options: NodeOptions,
  directory: DataDirectory,
  running: NodeProcess,
): void {
  const founded = directory.identity.founding?.founders.map(({ id }) => id);
  if (!options.foundersTyped || founded === undefined) return;
  if (founded.join() === options.founders.join()) return;
  const text =
    `--size and --voters count at founding only: cluster ${options.key.cluster} was founded with ` +
    `${founded.join(", ")}; its members are changed with ${options.executable} members`;
  running.emit({ type: "note", text });
}

/** The typed port or none; else the one of last time, the default 7400 + id, or any free one. */
async function openDataSocket(
  options: NodeOptions,
  lastPort: number | null,
  onDatagram: (datagram: Uint8Array, from: Address) => void,
): Promise<{ readonly socket: UdpSocket; readonly portTaken: number | null }> {
  const host = options.listen ?? (options.loopbackOnly ? "127.0.0.1" : "0.0.0.0");
  const wanted = options.port ?? lastPort ?? usualPort(options.id);
  const onError = (): void => {};
  const first = await openUdpSocket({ host, port: wanted, onDatagram, onError });
  if (first.ok) return { socket: first.socket, portTaken: null };
  if (first.code !== "EADDRINUSE" || options.port !== null) {
    const hint =
      first.code === "EADDRINUSE" ? " (leave --port away and any free one is taken)" : "";
    throw new StartError(`port ${wanted} cannot be used on ${host}: ${first.code}${hint}`, 8);
  }
  const second = await openUdpSocket({ host, port: 0, onDatagram, onError });
  if (!second.ok) throw new StartError(second.reason, 8);
  return { socket: second.socket, portTaken: wanted };
}

async function maybeServeHttp(address: Address | null, running: NodeProcess): Promise<void> {
  if (address === null) return;
  try {
    const close = await serveHttp(address, () => running.report());
    void running.ended.then(close);
  } catch (error) {
    running.kill();
    await running.ended;
    const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
    throw new StartError(`--http ${addressText(address)} cannot be used: ${code}`, 8);
  }
}
