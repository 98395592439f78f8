/** What a person may type after --peers. */

import { describe, expect, it } from "vitest";
import { PEERS_MAX, expandPeer, parsePeer, parsePeers } from "../../src/discovery/peers.ts";

describe("--peers", () => {
  it.each([
    ["10.0.0.8", { id: null, host: "10.0.0.8", port: null }],
    ["lab-08", { id: null, host: "lab-08", port: null }],
    [" lab-08.example.org:7402 ", { id: null, host: "lab-08.example.org", port: 7402 }],
    ["2=10.0.0.8:7500", { id: 2, host: "10.0.0.8", port: 7500 }],
    ["2=lab-08", { id: 2, host: "lab-08", port: 7402 }],
  ])("reads %s", (text, spec) => {
    expect(parsePeer(text)).toEqual(spec);
  });

  it.each([
    ["", "expected HOST, HOST:PORT or ID=HOST:PORT"],
    ["lab 08", "expected HOST"],
    ["-lab", "expected HOST"],
    ["fe80::1", "is not a port"],
    ["10.0.0", "10.0.0 is not an IPv4 address"],
    ["10.0.0.256:7401", "10.0.0.256 is not an IPv4 address"],
    ["lab:0", "0 is not a port (1 to 65535)"],
    ["lab:65536", "65536 is not a port"],
    ["lab:", " is not a port"],
    ["0=lab:1", "0 is not a node id (1 to 999)"],
    ["1000=lab:1", "1000 is not a node id"],
    ["=lab:1", " is not a node id"],
    ["1=2=lab:1", "expected HOST"],
  ])("refuses %j with a sentence", (text, sentence) => {
    const parsed = parsePeer(text);
    expect(parsed).toBeTypeOf("string");
    expect(parsed).toContain(`--peers ${text}: `);
    expect(parsed).toContain(sentence);
  });

  it("asks a bare host on the ports of the ids 1 to 9, any other on its port", () => {
    const bare = expandPeer({ id: null, host: "lab", port: null }, "10.0.0.8");
    expect(bare.map(({ port }) => port)).toEqual([
      7401, 7402, 7403, 7404, 7405, 7406, 7407, 7408, 7409,
    ]);
    expect(bare.every(({ host }) => host === "10.0.0.8")).toBe(true);
    expect(expandPeer({ id: null, host: "lab", port: 7500 }, "10.0.0.8")).toEqual([
      { host: "10.0.0.8", port: 7500 },
    ]);
  });

  it("keeps what is right beside what is wrong, and has a limit", () => {
    expect(parsePeers(["lab", "0=lab:1"])).toMatchObject({
      peers: [{ host: "lab" }],
      problems: [expect.any(String)],
    });
    const many = parsePeers(Array.from({ length: PEERS_MAX + 1 }, (_, at) => `lab-${at}`));
    expect(many.peers).toHaveLength(PEERS_MAX);
    expect(many.problems).toHaveLength(1);
  });
});
