/** Three members of etcd on loopback, with the defaults of Debian's package. It syncs its log
 *  before it acknowledges, as we do; it seals nothing. */
import { execFileSync } from "node:child_process";
import { type Running, until } from "../../e2e/world.ts";
import { freePorts } from "../free-ports.ts";
import { digitsOf, Expected, type Numbers } from "./entry.ts";
import { installed, type Servers, type Side, startServers, stopServers } from "./side.ts";

const READY_TIMEOUT_MS = 30_000;
/** Entries read back at once, and bytes of them: an answer comes as one piece of JSON. */
const PAGE = 5_000;
const PAGE_BYTES = 8 << 20;

export const etcd: Side = {
  name: "etcd",
  about: "defaults: fdatasync before each acknowledgement; nothing sealed",
  checked: "all read back, each once, whole",
  unavailable: () =>
    installed("etcd") === null ? "etcd is not installed: apt-get install etcd-server" : null,
  version: () => {
    const said = execFileSync(installed("etcd") ?? "etcd", ["--version"], { encoding: "utf8" });
    return /etcd Version: (\S+)/.exec(said)?.[1] ?? "unknown";
  },
  start: startEtcd,
};

async function startEtcd(directory: string): Promise<Servers> {
  const ports = await freePorts(6);
  const client = (id: number) => `http://127.0.0.1:${ports[id - 1]}`;
  const peer = (id: number) => `http://127.0.0.1:${ports[id + 2]}`;
  const members = [1, 2, 3].map((id) => `m${id}=${peer(id)}`).join(",");
  const servers = startServers(installed("etcd") ?? "etcd", directory, (id, own) => [
    ...["--name", `m${id}`, "--data-dir", own, "--initial-cluster", members],
    ...["--listen-client-urls", client(id), "--advertise-client-urls", client(id)],
    ...["--listen-peer-urls", peer(id), "--initial-advertise-peer-urls", peer(id)],
  ]);
  try {
    const ask = () => leaderOf([1, 2, 3].map(client));
    const leader = await until("etcd elects a leader", ask, READY_TIMEOUT_MS);
    return new EtcdServers(servers, leader);
  } catch (error) {
    await stopServers(servers);
    throw new Error(`etcd did not start:\n${servers[0]?.lines.slice(-5).join("\n")}`, {
      cause: error,
    });
  }
}

class EtcdServers implements Servers {
  readonly #servers: readonly Running[];
  readonly #leader: string;

  constructor(servers: readonly Running[], leader: string) {
    this.#servers = servers;
    this.#leader = leader;
  }

  get pids(): readonly number[] {
    return this.#servers.map(({ pid }) => pid);
  }

  get target() {
    return { side: "etcd", port: Number(new URL(this.#leader).port) } as const;
  }

  /** Reads every key and its value back. */
  async verify(size: number, runs: readonly Numbers[]): Promise<number> {
    const expected = new Expected("etcd", size, runs);
    const limit = Math.max(1, Math.min(PAGE, Math.floor(PAGE_BYTES / size)));
    for (let from = keyOf(0), more = true; more;) {
      const page = await range(this.#leader, from, LAST_KEY, limit);
      for (const { value } of page.kvs) expected.found(value, 0);
      from = `${page.kvs.at(-1)?.key}\0`;
      more = page.more;
    }
    return expected.all();
  }

  stop(): Promise<void> {
    return stopServers(this.#servers);
  }
}

const KEY_PREFIX = "bench/";
/** Behind every key of the load. */
const LAST_KEY = "bench0";

/** The key of an entry. */
export function keyOf(number: number): string {
  return KEY_PREFIX + digitsOf(number);
}

/** The client address of the member that leads and whom all members know as the leader; null while
 *  there is none. */
async function leaderOf(addresses: readonly string[]): Promise<string | null> {
  const answers = await Promise.all(
    addresses.map(async (address) => {
      const status = (await ask(address, "maintenance/status", {})) as Status | null;
      return { address, id: status?.header?.member_id, leader: status?.leader };
    }),
  );
  const leader = answers[0]?.leader;
  if (leader === undefined || answers.some((answer) => answer.leader !== leader)) return null;
  return answers.find(({ id }) => id === leader)?.address ?? null;
}

interface Status {
  readonly header?: { readonly member_id?: string };
  readonly leader?: string;
}

interface Page {
  readonly kvs: readonly { readonly key: string; readonly value: Buffer }[];
  readonly more: boolean;
}

async function range(address: string, from: string, to: string, limit: number): Promise<Page> {
  const base64 = (text: string) => Buffer.from(text, "latin1").toString("base64");
  const request = { key: base64(from), range_end: base64(to), limit, sort_target: "KEY" };
  const page = (await ask(address, "kv/range", { ...request, sort_order: "ASCEND" })) as {
    readonly kvs?: readonly { readonly key: string; readonly value: string }[];
    readonly more?: boolean;
  } | null;
  if (page === null) throw new Error(`etcd at ${address} does not answer`);
  const kvs = (page.kvs ?? []).map(({ key, value }) => ({
    key: Buffer.from(key, "base64").toString("latin1"),
    value: Buffer.from(value, "base64"),
  }));
  return { kvs, more: page.more ?? false };
}

/** Asks through the gateway from JSON to gRPC that each member has. */
async function ask(address: string, path: string, request: object): Promise<unknown> {
  try {
    const body = JSON.stringify(request);
    const response = await fetch(`${address}/v3/${path}`, { method: "POST", body });
    return response.ok ? await response.json() : null;
  } catch {
    return null;
  }
}
