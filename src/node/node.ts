/** Starting a node: opens the data directory and the sockets, refuses with a sentence, and sets the
 *  process going. */

import { type Address, addressText, usualPort } from "../base/hosts.ts";
import { openDiscovery } from "../discovery/discovery.ts";
import { randomId } from "../transport/dice.ts";
import { createEndpoint } from "../transport/endpoint.ts";
import type { UdpSocket } from "../transport/types.ts";
import { type DataDirectory, openDataDirectory } from "./data-directory.ts";
import { serveHttp, statusBody } from "./http.ts";
import { NodeProcess } from "./process.ts";
import { clusterFlag } from "./refusals.ts";
import { systemNodeWorld } from "./system-world.ts";
import { type NodeOptions, type RunningNode, StartError } from "./types.ts";
import type { NodeWorld } from "./world.ts";

/** Starts a node on this machine. It runs until `stop`, `kill`, or its end; `ended` says which.
 *  Throws StartError when the directory, the port or the id cannot be had. */
export function startNode(options: NodeOptions): Promise<RunningNode> {
  return startNodeIn(systemNodeWorld(), options);
}

/** The same in any world. */
export async function startNodeIn(world: NodeWorld, options: NodeOptions): Promise<NodeProcess> {
  const { clock, discovery, userHost, data } = world;
  const bootId = randomId(discovery.dice);
  const directory = openDataDirectory({
    path: options.dataDir,
    typed: options.dataDirTyped,
    cluster: options.key.cluster,
    id: options.id,
    dice: discovery.dice,
    clock,
    userHost,
    executable: options.executable,
    ground: data,
  });
  try {
    return await startIn(world, directory, options, bootId);
  } catch (error) {
    directory.close();
    throw error;
  }
}

async function startIn(
  world: NodeWorld,
  directory: DataDirectory,
  options: NodeOptions,
  bootId: string,
): Promise<NodeProcess> {
  let running: NodeProcess | null = null;
  const { clock, discovery } = world;
  const { socket, portTaken } = await openDataSocket(
    world,
    options,
    directory.identity.port,
    (datagram, from) => running?.takeDatagram(datagram, from),
  );
  directory.rememberPort(
    socket.address.port === usualPort(options.id) ? null : socket.address.port,
  );
  const self = { id: options.id, incarnation: directory.identity.incarnation, bootId };
  const receiveWindowBytes = Math.floor(socket.receiveBufferBytes / 2);
  const datagramBytesMax = world.datagramSizes(options.mtuBytes);
  const { listen, loopbackOnly } = options;
  running = new NodeProcess({
    options,
    clock,
    dice: discovery.dice,
    self,
    userHost: world.userHost,
    ownHosts: listen === null ? () => world.ownHosts(loopbackOnly) : () => [listen],
    directory,
    socket,
    receiveWindowBytes,
    datagramBytesMax,
    createEndpoint: (process) =>
      createEndpoint({
        key: options.key,
        self: { kind: "node", identity: self },
        hello: () => process.hello(),
        dice: discovery.dice,
        datagramBytesMax,
        receiveWindowBytes,
        heldBytes: () => process.member?.heldBytes ?? 0,
        transmit: (datagram, address) => socket.send(datagram, address),
        onHello: (connection, hello, first) => process.takeHello(connection, hello, first),
        onFrame: (connection, frame, nowMs) => process.takeFrame(connection, frame, nowMs),
        onDouble: (hello, address, again) => process.takeDouble(hello, address, again),
      }),
    openDiscovery: (process) =>
      openDiscovery(
        {
          loopbackOnly,
          peers: options.peers,
          remembered: directory.rememberedAddresses(),
          beacon: () => process.beacon(),
          bootId,
          onHint: (hint) => process.takeHint(hint),
          multicastPort: options.multicastPort,
          now: clock.monotonicMs,
          after: clock.after,
        },
        discovery,
      ),
  });
  directory.describeAddress(running.address);
  sayOpened(options, directory, running, portTaken);
  sayOtherFounders(options, directory, running);
  const { syncProblem } = world.data;
  if (syncProblem !== null) running.emit({ type: "note", text: syncProblem });
  await running.begin();
  await maybeServeHttp(options.http, running);
  return running;
}

function sayOpened(
  options: NodeOptions,
  directory: DataDirectory,
  running: NodeProcess,
  portTaken: number | null,
): void {
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
    `${founded.join(", ")}; its members are changed with ${options.executable} members${clusterFlag(options.key.cluster)}`;
  running.emit({ type: "note", text });
}

/** The typed port or none; else the one of last time, the default 7400 + id, or any free one. */
async function openDataSocket(
  world: NodeWorld,
  options: NodeOptions,
  lastPort: number | null,
  onDatagram: (datagram: Uint8Array, from: Address) => void,
): Promise<{ readonly socket: UdpSocket; readonly portTaken: number | null }> {
  const host = options.listen ?? (options.loopbackOnly ? "127.0.0.1" : "0.0.0.0");
  const wanted = options.port ?? lastPort ?? usualPort(options.id);
  const onError = (): void => {};
  const first = await world.openUdpSocket({ host, port: wanted, onDatagram, onError });
  if (first.ok) return { socket: first.socket, portTaken: null };
  if (first.code !== "EADDRINUSE" || options.port !== null) {
    const hint =
      first.code === "EADDRINUSE" ? " (leave --port away and any free one is taken)" : "";
    throw new StartError(`port ${wanted} cannot be used on ${host}: ${first.code}${hint}`, 8);
  }
  const second = await world.openUdpSocket({ host, port: 0, onDatagram, onError });
  if (!second.ok) throw new StartError(second.reason, 8);
  return { socket: second.socket, portTaken: wanted };
}

async function maybeServeHttp(address: Address | null, running: NodeProcess): Promise<void> {
  if (address === null) return;
  try {
    const close = await serveHttp(address, () =>
      statusBody(running.report(), running.member?.core.status().longestSilenceMs ?? 0),
    );
    void running.ended.then(close);
  } catch (error) {
    running.kill();
    await running.ended;
    const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
    throw new StartError(`--http ${addressText(address)} cannot be used: ${code}`, 8);
  }
}
