/** What scripted nodes say of themselves, and dice with a seed. */

import type { Hint } from "../../src/discovery/types.ts";
import type { LeaderHint, RefusalCode, Response } from "../../src/transport/requests.ts";
import type { NodeHello } from "../../src/transport/types.ts";
import type { FakeNode } from "./fake-world.ts";

export function bootOf(node: FakeNode): string {
  return (node.id * 1_000 + node.boot).toString(16).padStart(32, "0");
}

export function incarnationOf(id: number): string {
  return id.toString(16).padStart(32, "0");
}

export function helloOf(node: FakeNode): NodeHello {
  return {
    id: node.id,
    incarnation: incarnationOf(node.id),
    bootId: bootOf(node),
    bootCount: node.boot,
    clusterId: node.clusterId,
    founding: null,
    foundedMs: null,
    lastIndex: 0,
    member: true,
    founders: [1, 2, 3],
    timings: { heartbeatMs: 50, electionMinMs: 300, electionMaxMs: 600 },
    met: [],
    version: "1.0.0",
    wireMin: 1,
    wireMax: 1,
    features: 0,
    addresses: [node.address],
    receiveWindowBytes: 1 << 20,
    userHost: `ana@lab-0${node.id}`,
    uptimeMs: 10,
    dataDir: null,
  };
}

export function hintOf(node: FakeNode): Hint {
  return {
    beacon: {
      cluster: "raft",
      auth: "open",
      keyTag: 0,
      clusterId: node.clusterId,
      wireVersion: 1,
      id: node.id,
      bootId: bootOf(node),
      userHost: `ana@lab-0${node.id}`,
      host: node.address.host,
      port: node.address.port,
      state: { type: "member", term: 1, leader: null },
      bye: false,
    },
    address: node.address,
    heardMs: 0,
  };
}

export function refusal(
  code: RefusalCode,
  text: string,
  leader: LeaderHint | null = null,
): Response {
  return { type: "refused", code, text, leader, number: null };
}

export function mulberry(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
