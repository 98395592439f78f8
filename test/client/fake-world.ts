/** A cluster of scripted nodes behind a client, on virtual time: one shared log, one leader (or
 *  none), a wire that delays, loses and doubles by a seed. The leader's append queue is the real
 *  one. */

import type { Address } from "../../src/base/hosts.ts";
import { AppendQueue } from "../../src/node/append-queue.ts";
import { encodePayloads, encodeRecord } from "../../src/storage/record.ts";
import { RECORD_KIND } from "../../src/storage/types.ts";
import { openKey } from "../../src/transport/key.ts";
import { decodeRequest, encodeResponse } from "../../src/transport/request-codec.ts";
import type {
  AppendRequest,
  LeaderHint,
  NodeReport,
  ReadRequest,
  Request,
  Response,
} from "../../src/transport/requests.ts";
import type { Connection, Frame } from "../../src/transport/types.ts";
import type { ClientWire, ClientWorld, WireListener } from "../../src/client/world.ts";
import { bootOf, helloOf, hintOf, incarnationOf, mulberry, refusal } from "./fake-identity.ts";
import { VirtualTime } from "./virtual-time.ts";
import { FakeHost } from "../node/fake-host.ts";

export const KEY = openKey("raft");

export interface FakeNode {
  readonly id: number;
  readonly address: Address;
  alive: boolean;
  stopped?: boolean;
  /** What the client sends to it arrives, what it sends arrives. */
  hearsClient: boolean;
  heardByClient: boolean;
  boot: number;
  clusterId: string | null;
  /** What it believes; null: nothing. */
  leader: LeaderHint | null;
  /** Answers in place of the normal ones. */
  script: ((request: Request, hops: number) => Response | "silence" | undefined) | null;
  hint: boolean;
}

export class FakeCluster {
  readonly time = new VirtualTime();
  readonly host = new FakeHost();
  readonly nodes = new Map<number, FakeNode>();
  readonly payloads: Uint8Array[] = [];
  readonly requests: {
    readonly node: number;
    readonly request: Request;
    readonly hops: number;
    readonly atMs: number;
  }[] = [];
  #queue = new AppendQueue<(response: Response) => void>(this.host);
  leader: number | null = null;
  commitMs = 2;
  latencyMs = 1;
  loss = 0;
  doubling = 0;
  founded = true;
  /** Which large requests have not arrived whole. */
  isSending: (requestId: number) => boolean = () => false;
  #random: () => number;
  #listener: WireListener | null = null;
  met: Connection[] = [];

  constructor(size: number, seed = 1) {
    this.#random = mulberry(seed);
    const append = this.host.append.bind(this.host);
    this.host.append = (request) => {
      const done = append(request);
      if (done.ok) this.payloads[done.firstIndex] = new Uint8Array(request.payloads);
      return done;
    };
    for (let id = 1; id <= size; id++) {
      this.nodes.set(id, {
        id,
        address: { host: `10.0.0.${id}`, port: 7400 + id },
        alive: true,
        hearsClient: true,
        heardByClient: true,
        boot: 1,
        clusterId: "5f".repeat(16),
        leader: null,
        script: null,
        hint: true,
      });
    }
  }

  node(id: number): FakeNode {
    const node = this.nodes.get(id);
    if (node === undefined) throw new Error(`no node ${id}`);
    return node;
  }

  /** A new term under `id`; what is not committed beyond `keep` entries is lost. */
  elect(id: number, keep = Infinity): void {
    if (this.leader !== null) this.#queue.leadershipLost(this.time.nowMs);
    this.host.truncate(this.host.commitIndex + 1 + keep);
    this.host.term++;
    this.host.noop();
    this.leader = id;
    const hint: LeaderHint = { id, term: this.host.term, address: this.node(id).address };
    this.host.hint = hint;
    // A new leader's memory of its own waiters is empty.
    this.#queue = new AppendQueue(this.host);
    for (const node of this.nodes.values()) node.leader = hint;
    this.#commitSoon();
  }

  /** Node `id` tells the client unasked who leads. */
  tell(id: number): void {
    const node = this.node(id);
    const connection = this.met.find(
      ({ remote }) => remote.kind === "node" && remote.identity.id === id,
    );
    if (connection === undefined) throw new Error(`node ${id} is not met`);
    const body = encodeResponse(this.#leaderOf(node));
    const frame = { type: "response", requestId: 0, body } as const;
    this.#listener?.onFrame(connection, frame, this.time.nowMs);
  }

  noLeader(): void {
    this.leader = null;
    this.host.hint = null;
    for (const node of this.nodes.values()) node.leader = null;
  }

  kill(id: number): void {
    this.node(id).alive = false;
    this.node(id).boot++;
    if (this.leader === id) this.leader = null;
    for (const node of this.nodes.values()) if (node.leader?.id === id) node.leader = null;
  }

  get world(): ClientWorld {
    const dice = mulberry(99);
    return {
      clock: {
        monotonicMs: () => this.time.nowMs,
        wallMs: () => this.time.nowMs,
        after: (ms, run) => this.time.after(ms, run),
        soon: (run) => void this.time.after(0, run),
      },
      dice: (count) => Uint8Array.from({ length: count }, () => Math.floor(dice() * 256)),
      openWire: (_, listener) => {
        this.#listener = listener;
        return Promise.resolve(this.#wire());
      },
    };
  }

  /** The entries of users that are committed, as text. */
  committed(): string[] {
    const decoder = new TextDecoder();
    return this.host.heads
      .filter((head) => head.kind === RECORD_KIND.user && head.lastIndex <= this.host.commitIndex)
      .flatMap((head) =>
        splitPayloads(this.payloads[head.firstIndex] ?? new Uint8Array()).map((bytes) =>
          decoder.decode(bytes),
        ),
      );
  }

  #wire(): ClientWire {
    return {
      connections: () => this.met,
      greet: (address) => {
        const node = [...this.nodes.values()].find(
          (one) => one.address.host === address.host && one.address.port === address.port,
        );
        if (node !== undefined) this.time.after(2 * this.latencyMs, () => this.#meet(node));
      },
      send: (connection, frame) => this.#deliver(() => this.#arrive(connection, frame)),
      isSending: (_, requestId) => this.isSending(requestId),
      query: () => {
        for (const node of this.nodes.values()) {
          if (node.alive && node.hint && node.heardByClient)
            this.time.after(this.latencyMs, () => this.#listener?.onHint(hintOf(node)));
        }
      },
      addresses: () => Promise.resolve([]),
      report: () => ({
        interfaces: ["127.0.0.1"],
        ways: ["multicast"],
        heard: [...this.nodes.values()]
          .filter((node) => node.hint && node.heardByClient && node.alive)
          .map(hintOf),
        deaf: [],
        problems: [],
      }),
      close: () => Promise.resolve(),
    };
  }

  #meet(node: FakeNode): void {
    if (!node.alive || !node.hearsClient || !node.heardByClient) return;
    const known = this.met.find(
      ({ remote }) => remote.kind === "node" && remote.identity.id === node.id,
    );
    if (known?.remote.kind === "node" && known.remote.identity.bootId === bootOf(node)) return;
    const hello = helloOf(node);
    const { incarnation, bootId } = hello;
    const connection: Connection = {
      remote: {
        kind: "node",
        identity: { id: node.id, incarnation, bootId },
        hello,
        address: node.address,
      },
      rttMs: 2 * this.latencyMs,
      lastHeardMs: this.time.nowMs,
    };
    this.met = [...this.met.filter((other) => other !== known), connection];
    this.#listener?.onMet(connection);
  }

  #deliver(run: () => void): void {
    if (this.#random() < this.loss) return;
    this.time.after(this.latencyMs * (1 + this.#random()), run);
  }

  #arrive(connection: Connection, frame: Frame): void {
    if (frame.type !== "request" || connection.remote.kind !== "node") return;
    const node = this.node(connection.remote.identity.id);
    if (!node.alive || !node.hearsClient || connection.remote.identity.bootId !== bootOf(node))
      return;
    const request = decodeRequest(frame.body);
    if (typeof request === "string") throw new Error(request);
    this.requests.push({ node: node.id, request, hops: frame.hops, atMs: this.time.nowMs });
    // Another client may have connected when the answer arrives; its requests have the same ids.
    const listener = this.#listener;
    const answer = (response: Response): void => {
      const body = encodeResponse(response);
      for (let copy = this.#random() < this.doubling ? 2 : 1; copy > 0; copy--) {
        this.#deliver(() => {
          if (!node.alive || !node.heardByClient) return;
          Object.assign(connection, { lastHeardMs: this.time.nowMs });
          const response = { type: "response", requestId: frame.requestId, body } as const;
          listener?.onFrame(connection, response, this.time.nowMs);
        });
      }
    };
    const scripted = node.script?.(request, frame.hops);
    if (scripted === "silence") return;
    if (scripted !== undefined) return answer(scripted);
    this.#serve(node, request, frame.hops, answer);
  }

  #serve(
    node: FakeNode,
    request: Request,
    hops: number,
    answer: (response: Response) => void,
  ): void {
    const leads = this.leader === node.id;
    switch (request.type) {
      case "leader":
        return answer(this.#leaderOf(node));
      case "status":
        return answer({ type: "status", report: this.report(node) });
      case "append":
        if (leads) return this.#append(request, answer);
        if (hops > 0 && this.leader !== null) {
          const leader = this.leader;
          return void this.time.after(
            this.latencyMs,
            () => this.leader === leader && this.#append(request, answer),
          );
        }
        return answer(refusal(node.leader === null ? "no leader" : "not leader", "", node.leader));
      case "read":
        return this.#read(node, request, answer);
      case "stop":
        if (request.bootId !== bootOf(node))
          return answer(refusal("outdated", "that process has ended already"));
        answer({ type: "done", text: "stopping", configuration: null });
        return void this.time.after(2, () => this.kill(node.id));
      default:
        return answer(refusal("bad request", "not scripted"));
    }
  }

  #leaderOf(node: FakeNode): Response {
    return {
      type: "leader",
      leader: node.leader,
      commitIndex: this.host.commitIndex,
      bootId: bootOf(node),
      configurationIndex: 0,
    };
  }

  #append(request: AppendRequest, answer: (response: Response) => void): void {
    this.#queue.offer(request, answer, this.time.nowMs);
    this.#answer();
    this.#commitSoon();
    const dueMs = this.#queue.nextDeadlineMs();
    if (dueMs < Infinity) {
      this.time.after(dueMs - this.time.nowMs, () => {
        this.#queue.tick(this.time.nowMs);
        this.#answer();
      });
    }
  }

  #commitSoon(): void {
    const { term, lastIndex } = this.host;
    this.time.after(this.commitMs, () => {
      if (this.leader === null || this.host.term !== term) return;
      this.host.commitIndex = Math.max(this.host.commitIndex, lastIndex);
      this.#queue.committed(this.host.commitIndex, this.time.nowMs);
      this.host.answerRounds(this.host.commitIndex, this.time.nowMs);
      this.#answer();
    });
  }

  #answer(): void {
    for (const { requester, response } of this.#queue.takeAnswers()) requester(response);
  }

  #read(
    node: FakeNode,
    request: ReadRequest,
    answer: (response: Response) => void,
    untilMs = this.time.nowMs + request.waitMs,
  ): void {
    if (!node.alive) return;
    if (this.leader === null && request.consistency === "linearizable") {
      return answer(refusal("no leader", ""));
    }
    const { commitIndex } = this.host;
    const from = request.last === null ? request.from : Math.max(1, commitIndex - request.last + 1);
    if (from > commitIndex && this.time.nowMs < untilMs) {
      return void this.time.after(5, () => this.#read(node, request, answer, untilMs));
    }
    const heads = this.host.heads
      .filter((head) => head.lastIndex >= from && head.lastIndex <= commitIndex)
      .slice(0, 5);
    let chain = 7;
    const records: Uint8Array[] = [];
    const prevChain = this.#chainBefore(heads[0]?.firstIndex ?? 0);
    chain = prevChain;
    for (const head of heads) {
      const record = this.#record(head, chain);
      chain = new DataView(record.buffer).getUint32(0);
      records.push(record);
    }
    const bytes = Uint8Array.from(records.flatMap((record) => [...record]));
    answer({
      type: "records",
      bytes,
      firstIndex: heads[0]?.firstIndex ?? from,
      lastIndex: heads.at(-1)?.lastIndex ?? from - 1,
      prevChain,
      commitIndex,
      staleMs: 0,
    });
  }

  #record(head: FakeHost["heads"][number], chain: number): Uint8Array {
    return encodeRecord(
      head,
      this.payloads[head.firstIndex] ?? encodePayloads([new Uint8Array(0)]),
      chain,
    );
  }

  #chainBefore(index: number): number {
    let chain = 7;
    for (const head of this.host.heads) {
      if (head.firstIndex >= index) break;
      chain = new DataView(this.#record(head, chain).buffer).getUint32(0);
    }
    return chain;
  }

  report(node: FakeNode): NodeReport {
    const members = [...this.nodes.values()].map(({ id }) => ({
      id,
      incarnation: incarnationOf(id),
      role: "voter" as const,
    }));
    return {
      cluster: "raft",
      auth: "open",
      clusterId: node.clusterId,
      foundedMs: null,
      id: node.id,
      incarnation: incarnationOf(node.id),
      bootId: bootOf(node),
      version: "1.0.0",
      state: this.founded ? "member" : "waiting",
      role: this.leader === node.id ? "leader" : "follower",
      term: this.host.term,
      votedFor: null,
      leader: node.leader?.id ?? null,
      leaderSinceMs: 5,
      firstIndex: 1,
      lastIndex: this.host.lastIndex,
      commitIndex: this.host.commitIndex,
      configuration: this.founded ? { index: 0, members } : null,
      founders: members.map(({ id }) => id),
      syncMs: 0.5,
      address: node.address,
      userHost: `ana@lab-0${node.id}`,
      uptimeMs: 10,
      executable: "./raft",
      mute: null,
      lostData: false,
      networkDisk: false,
      acceptsEntries: true,
      dataDir: "/x",
      peers: [...this.nodes.values()]
        .filter((other) => other !== node)
        .map((other) => ({
          id: other.id,
          incarnation: null,
          userHost: `ana@lab-0${other.id}`,
          address: other.address,
          rttMs: 0.3,
          lastContactMs: other.alive ? 3 : 60_000,
          lastHeardWallMs: 1,
          stopped: other.stopped ?? false,
          dataDir: null,
          matchIndex: this.host.commitIndex,
          term: this.host.term,
          member: true,
        })),
    };
  }
}

function splitPayloads(bytes: Uint8Array): Uint8Array[] {
  const entries: Uint8Array[] = [];
  let at = 5;
  while (at < bytes.length) {
    const wide = bytes[at] === 0xc4 ? 1 : bytes[at] === 0xc5 ? 2 : 4;
    let length = 0;
    for (let byte = 1; byte <= wide; byte++) length = length * 256 + (bytes[at + byte] ?? 0);
    at += 1 + wide;
    entries.push(bytes.subarray(at, at + length));
    at += length;
  }
  return entries;
}
