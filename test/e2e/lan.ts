/** Several machines on one: a bridge and network namespaces, each with an address 10.77.0.N of its
 *  own. Needs root and iproute2, and nftables where packets are dropped. Nothing outside the
 *  namespaces changes, and everything that was made is removed when the test is over. */
import { spawnSync } from "node:child_process";
import { onTestFinished } from "vitest";
import { type Result, type Running, type RunOptions, World } from "./harness.ts";

const STATEFUL = `table inet stateful {
  chain input {
    type filter hook input priority 0; policy drop;
    iifname "lo" accept
    ct state established,related accept
  }
}`;

/** Why these tests cannot run here, or null. */
export const noLanReason = whyNoLan();
if (noLanReason !== null) console.warn(`skipped: networks of several machines (${noLanReason})`);

let lans = 0;
/** Namespaces that there are now. */
const made = new Set<string>();
let watching = false;

function whyNoLan(): string | null {
  if (process.platform !== "linux") return "network namespaces are Linux's";
  if (process.getuid?.() !== 0) return "only root makes network namespaces";
  for (const tool of ["ip", "nft"]) if (Bun.which(tool) === null) return `there is no ${tool}`;
  const name = `raft-try-${process.pid}`;
  const tried = spawnSync("ip", ["netns", "add", name], { encoding: "utf8" });
  if (tried.status !== 0) return tried.stderr.trim();
  const link = spawnSync(
    "ip",
    ["-n", name, "link", "add", "veth0", "type", "veth", "peer", "name", "veth1"],
    { encoding: "utf8" },
  );
  const rules = spawnSync("ip", ["netns", "exec", name, "nft", "-f", "-"], {
    encoding: "utf8",
    input: STATEFUL,
  });
  spawnSync("ip", ["netns", "delete", name]);
  return link.status !== 0 ? link.stderr.trim() : rules.status !== 0 ? rules.stderr.trim() : null;
}

/** One machine of a `Lan`: a namespace, and a world (home directory, processes) in it. */
export class Machine {
  readonly address: string;
  readonly world: World;
  readonly #namespace: string;

  constructor(namespace: string, address: string, world: World) {
    this.#namespace = namespace;
    this.address = address;
    this.world = world;
  }

  up(id: number, ...flags: string[]): Running {
    return this.start(["up", "--id", String(id), ...flags]);
  }

  start(args: string[]): Running {
    return this.world.start(args, { within: this.#within });
  }

  run(args: string[], options: RunOptions = {}): Promise<Result> {
    return this.world.run(args, { ...options, within: this.#within });
  }

  must(args: string[], options: RunOptions = {}): Promise<string> {
    return this.world.must(args, { ...options, within: this.#within });
  }

  /** Drops everything that comes in unasked, as a laptop's firewall does. */
  dropUnasked(): void {
    this.#rules(STATEFUL);
  }

  /** Loses this share of what comes in from the network, in per cent. */
  lose(percent: number): void {
    this.#rules(`table inet lossy { chain input { type filter hook input priority 0;
      iifname "eth0" meta l4proto udp numgen random mod 100 < ${percent} drop; }
    }`);
  }

  /** Neither sends to that address nor hears it. */
  avoid(address: string): void {
    this.#rules(`table inet avoid {
      chain input { type filter hook input priority 0; ip saddr ${address} drop; }
      chain output { type filter hook output priority 0; ip daddr ${address} drop; }
    }`);
  }

  /** Hears nothing of these addresses from now on, and everything of all others: the link from
   *  there to here is cut one way. */
  hearNot(addresses: readonly string[]): void {
    const elements = addresses.length > 0 ? `elements = { ${addresses.join(", ")} };` : "";
    this.#rules(`table inet cut {}
      delete table inet cut
      table inet cut {
        set unheard { type ipv4_addr; ${elements} }
        chain input { type filter hook input priority 0; ip saddr @unheard drop; }
      }`);
  }

  /** Takes the cable out, or puts it back. */
  plug(isIn: boolean): void {
    must("ip", ["-n", this.#namespace, "link", "set", "eth0", isIn ? "up" : "down"]);
  }

  get #within(): readonly string[] {
    return ["ip", "netns", "exec", this.#namespace];
  }

  #rules(rules: string): void {
    must("ip", ["netns", "exec", this.#namespace, "nft", "-f", "-"], rules);
  }
}

/** A network that somebody must end. */
export interface Lan {
  readonly machines: readonly Machine[];
  readonly end: () => Promise<void>;
}

/** Machines 10.77.0.1 to 10.77.0.`count` on one bridge, running one cluster; they end with the
 *  current test. */
export function lan(count: number): Machine[] {
  const { machines, end } = buildLan(count);
  onTestFinished(end);
  return [...machines];
}

/** The same outside of a test. */
export function buildLan(count: number): Lan {
  const name = `raft${process.pid.toString(36)}${(++lans).toString(36)}`;
  watchForTheEnd();
  const bridge = `${name}-0`;
  const namespaces = [bridge];
  const machines: Machine[] = [];
  const end = async (): Promise<void> => {
    await Promise.all(machines.map((machine) => machine.world.end()));
    for (const namespace of namespaces) remove(namespace);
  };
  try {
    connect(name, namespaces, machines, count);
  } catch (error) {
    void end();
    throw error;
  }
  return { machines, end };
}

/** No namespace outlives this process, whether it ends by itself or by a signal. */
function watchForTheEnd(): void {
  if (watching) return;
  watching = true;
  const removeAll = () => {
    for (const namespace of made) remove(namespace);
  };
  process.on("exit", removeAll);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(signal, () => {
      removeAll();
      process.kill(process.pid, signal);
    });
  }
}

function add(namespace: string): void {
  must("ip", ["netns", "add", namespace]);
  made.add(namespace);
}

function remove(namespace: string): void {
  if (made.delete(namespace)) spawnSync("ip", ["netns", "delete", namespace]);
}

function connect(name: string, namespaces: string[], machines: Machine[], count: number): void {
  const [bridge = name] = namespaces;
  add(bridge);
  // Snooping would need a querier on the bridge to keep groups alive.
  must("ip", [
    "-n",
    bridge,
    "link",
    "add",
    "br0",
    "type",
    "bridge",
    "mcast_snooping",
    "0",
    "forward_delay",
    "0",
  ]);
  must("ip", ["-n", bridge, "link", "set", "br0", "up"]);
  for (let at = 1; at <= count; at++) {
    const namespace = `${name}-${at}`;
    const address = `10.77.0.${at}`;
    namespaces.push(namespace);
    add(namespace);
    must("ip", [
      "-n",
      namespace,
      "link",
      "add",
      "eth0",
      "type",
      "veth",
      "peer",
      "name",
      `p${at}`,
      "netns",
      bridge,
    ]);
    must("ip", ["-n", bridge, "link", "set", `p${at}`, "master", "br0", "up"]);
    must("ip", ["-n", namespace, "addr", "add", `${address}/24`, "brd", "+", "dev", "eth0"]);
    must("ip", ["-n", namespace, "link", "set", "lo", "up"]);
    must("ip", ["-n", namespace, "link", "set", "eth0", "up"]);
    machines.push(
      new Machine(namespace, address, new World({ cluster: name, env: { RAFT_LOOPBACK: "" } })),
    );
  }
}

function must(command: string, words: readonly string[], input = ""): void {
  const ran = spawnSync(command, words, { encoding: "utf8", input });
  if (ran.status !== 0) throw new Error(`${command} ${words.join(" ")}: ${ran.stderr}`);
}
