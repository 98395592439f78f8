/** Answers clients: each request goes to the part of the node that knows, or on to the leader (one
 *  hop). */

import type { MonotonicMs, NodeId } from "../base/types.ts";
import type { MembershipChange } from "../raft/types.ts";
import {
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeResponse,
} from "../transport/request-codec.ts";
import type {
  LeaderHint,
  NodeReport,
  RefusalCode,
  Request,
  Response,
} from "../transport/requests.ts";
import type { Connection, Endpoint, Frame } from "../transport/types.ts";
import type { Member } from "./member.ts";
import type { Outgoing } from "./outgoing.ts";

/** A request passed on to the leader is given up after this; its client then says "unknown". */
const PASS_ON_MS = 5_000;

/** Another node's view that was not answered by then is not passed on. */
const STATUS_OF_MS = 1_000;

/** Clients that are told of a new leader, each with a small datagram; more find it by asking. */
const CLIENTS_TOLD_MAX = 1_000;

/** A client numbers its questions from 1. */
const UNASKED = 0;

/** What the service needs of the node around it. */
export interface ServiceHost {
  readonly endpoint: Endpoint;
  readonly outgoing: Outgoing;
  /** null before founding, or outside. */
  readonly member: () => Member | null;
  readonly absence: () => "not founded" | "not member";
  readonly report: () => NodeReport;
  readonly leaderHint: () => LeaderHint | null;
  readonly connectionTo: (id: NodeId) => Connection | undefined;
  /** The incarnation of the node met under that id, for `members add` and `replace`. */
  readonly metIncarnation: (id: NodeId) => string | null;
  /** In an open cluster operators' requests are taken only from machines that run a member. */
  readonly mayOperate: (connection: Connection) => boolean;
  readonly stopping: () => boolean;
  readonly stop: (request: Extract<Request, { type: "stop" }>) => void;
  readonly bootId: string;
}

export class Service {
  readonly #host: ServiceHost;

  constructor(host: ServiceHost) {
    this.#host = host;
  }

  /** Takes one request frame. Answers now or later, at most once. */
  take(from: Connection, frame: Extract<Frame, { type: "request" }>, nowMs: MonotonicMs): void {
    const { requestId, hops } = frame;
    const answer = (response: Response): void =>
      this.#host.endpoint.send(from, {
        type: "response",
        requestId,
        body: encodeResponse(response),
      });
    const request = decodeRequest(frame.body);
    if (typeof request === "string") return answer(this.#refusal("bad request", request));
    switch (request.type) {
      case "status":
        if (request.of !== null) return this.#statusOf(request.of, answer, nowMs);
        return answer({ type: "status", report: this.#host.report() });
      case "leader":
        return answer(this.#leader());
      case "stop":
        return this.#stop(from, request, answer);
      default:
        return this.#ofMember(from, request, hops, answer, nowMs);
    }
  }

  /** Tells the clients who leads now, as an answer to a question that nobody asked. Whoever waits
   *  for a leader that died goes on at once; a lost datagram is made up for by its own asking. */
  tellClients(): void {
    const body = encodeResponse(this.#leader());
    const clients = this.#host.endpoint
      .connections()
      .filter(({ remote }) => remote.kind === "client");
    for (const client of clients.slice(0, CLIENTS_TOLD_MAX))
      this.#host.endpoint.send(client, { type: "response", requestId: UNASKED, body });
  }

  #ofMember(
    from: Connection,
    request: Exclude<Request, { type: "status" | "leader" | "stop" }>,
    hops: number,
    answer: (response: Response) => void,
    nowMs: MonotonicMs,
  ): void {
    const member = this.#host.member();
    if (member === null) return answer(this.#refusal(this.#host.absence(), ""));
    if (this.#host.stopping()) return answer(this.#refusal("stopping", "this node is stopping"));
    if (request.type === "read") return member.reads.offer(request, answer, nowMs);
    if (request.type === "readIndex") {
      if (member.core.role !== "leader") return answer(this.#refusal("not leader", ""));
      return member.reads.offer(null, answer, nowMs);
    }
    const operates = request.type !== "append";
    if (operates && !this.#host.mayOperate(from))
      return answer(this.#refusal("forbidden", FORBIDDEN));
    if (member.core.role !== "leader") return this.#passOn(request, hops, answer, nowMs);
    switch (request.type) {
      case "append":
        return member.offerAppend(request, answer, nowMs);
      case "transfer":
        return answer(this.#transfer(member, request.term, request.to, nowMs));
      case "members":
        return this.#members(member, request.change, request.configurationIndex, answer);
    }
  }

  /** Hands a request to the leader for a client that cannot reach it. No answer means unknown, and
   *  none is given. */
  #passOn(
    request: Request,
    hops: number,
    answer: (response: Response) => void,
    nowMs: MonotonicMs,
  ): void {
    const leader = this.#host.leaderHint();
    if (leader === null) return answer(this.#refusal("no leader", ""));
    const connection = this.#host.connectionTo(leader.id);
    if (hops < 1 || connection === undefined) return answer(this.#refusal("not leader", ""));
    const sent = this.#host.outgoing.send(
      connection,
      encodeRequest(request),
      nowMs + PASS_ON_MS,
      (body) => {
        const response = body === null ? null : decodeOwn(body);
        if (response !== null) answer(response);
      },
    );
    if (!sent) answer(this.#refusal("busy", "too many requests are being passed on"));
  }

  /** Asks another node for its own view, for a client that cannot reach it. */
  #statusOf(id: NodeId, answer: (response: Response) => void, nowMs: MonotonicMs): void {
    const connection = this.#host.connectionTo(id);
    if (connection === undefined)
      return answer(this.#refusal("bad request", `node ${id} is not heard here`));
    const body = encodeRequest({ type: "status", of: null });
    this.#host.outgoing.send(connection, body, nowMs + STATUS_OF_MS, (found) => {
      const response = found === null ? null : decodeOwn(found);
      if (response !== null) answer(response);
    });
  }

  #leader(): Response {
    const member = this.#host.member();
    return {
      type: "leader",
      leader: this.#host.leaderHint(),
      commitIndex: member?.core.commitIndex ?? 0,
      bootId: this.#host.bootId,
      configurationIndex: member?.core.configuration.index ?? 0,
    };
  }

  #stop(
    from: Connection,
    request: Extract<Request, { type: "stop" }>,
    answer: (response: Response) => void,
  ): void {
    if (!this.#host.mayOperate(from)) return answer(this.#refusal("forbidden", FORBIDDEN));
    if (request.bootId !== this.#host.bootId) {
      return answer(this.#refusal("outdated", "that process has ended already"));
    }
    answer({ type: "done", text: request.kill ? "killed" : "stopping", configuration: null });
    this.#host.stop(request);
  }

  #transfer(member: Member, term: number, to: NodeId | null, nowMs: MonotonicMs): Response {
    if (term !== member.core.term) return this.#refusal("outdated", "the leader changed meanwhile");
    const ordered = member.core.transferLeadership(to, nowMs);
    // It may be under way by an earlier copy.
    const isMeant = ordered.to !== null && (to === null || to === ordered.to);
    if (!isMeant) return this.#refusal("bad request", ordered.reason);
    return { type: "done", text: `node ${ordered.to} takes over`, configuration: null };
  }

  #members(
    member: Member,
    asked: MembershipChange,
    configurationIndex: number,
    answer: (response: Response) => void,
  ): void {
    let change = asked;
    if ((change.type === "addLearner" || change.type === "replace") && change.incarnation === "") {
      const own = this.#host.report();
      const isOwn = change.id === own.id;
      const incarnation = isOwn ? own.incarnation : this.#host.metIncarnation(change.id);
      if (incarnation === null) {
        return answer(
          this.#refusal("bad request", `node ${change.id} is not heard here: start it first`),
        );
      }
      const before = member.core.configuration.members.find(({ id }) => id === asked.id);
      if (change.type === "replace" && before?.incarnation === incarnation) {
        // Another process under that id may be met in a moment; no other than this one is here.
        return answer(
          this.#refusal(
            isOwn ? "bad request" : "busy",
            `node ${change.id} is a member with this very data: there is nothing to replace`,
          ),
        );
      }
      change = { ...change, incarnation };
    }
    member.offerConfiguration(change, configurationIndex, answer);
  }

  #refusal(code: RefusalCode, text: string): Response {
    return { type: "refused", code, text, leader: this.#host.leaderHint(), number: null };
  }
}

const FORBIDDEN =
  "an open cluster takes this only from a machine that runs one of its nodes: make a key, or type it there";

function decodeOwn(body: Uint8Array): Response | null {
  const response = decodeResponse(body);
  return typeof response === "string" ? null : response;
}
