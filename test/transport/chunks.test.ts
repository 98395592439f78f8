/** Engine C alone: sender and receiver over a wire that the test holds in its hands. */

import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ChunkSender } from "../../src/transport/chunk-sender.ts";
import { ChunkReceiver } from "../../src/transport/chunks.ts";
import type { LinkFrame } from "../../src/transport/codec.ts";
import { takeWireMemory } from "../../src/transport/wire-memory.ts";
import { Intake } from "../../src/transport/intake.ts";
import { seeded } from "./harness.ts";

const WINDOW_BYTES = 20_000;
type Chunk = Extract<LinkFrame, { type: "chunk" }>;
type ChunkAck = Extract<LinkFrame, { type: "chunkAck" }>;

/** `heldBytes`: of clients; without it streams need no turn. */
function intake(bytesMax = 64 * 1_048_576, heldBytes: (() => number) | null = null): Intake {
  return new Intake({ windowBytes: WINDOW_BYTES, bytesMax, heldBytes });
}

function receiverFor(shared: Intake): ChunkReceiver {
  return new ChunkReceiver(shared, () => {});
}

describe("a chunk stream", () => {
  it("hands on exactly what was sent, once, whatever is lost, doubled or reordered", () => {
    const faults = fc.record({
      seed: fc.nat(1_000_000),
      sizes: fc.array(fc.integer({ min: 1, max: 60_000 }), { minLength: 1, maxLength: 4 }),
      partBytes: fc.integer({ min: 64, max: 1_200 }),
      loss: fc.constantFrom(0, 0.1, 0.3, 0.6),
      copies: fc.constantFrom(1, 2),
    });
    fc.assert(
      fc.property(faults, ({ seed, sizes, partBytes, loss, copies }) => {
        const random = seeded(seed);
        const frames = sizes.map((size, i) =>
          Uint8Array.from({ length: size }, (_, k) => k * 7 + i),
        );
        const shared = intake();
        const [sender, receiver] = [new ChunkSender(), receiverFor(shared)];
        for (const frame of frames)
          expect(sender.add(new Uint8Array(frame), null, partBytes, 0)).toBe(true);
        const whole: Uint8Array[] = [];
        let wire: Chunk[] = [];
        let nowMs = 0;
        while (sender.busy && nowMs < 100_000) {
          nowMs += 1;
          sender.pump(nowMs, 20, WINDOW_BYTES, (chunk) => {
            for (let i = 0; i < copies; i++) if (random() >= loss) wire.push(chunk);
          });
          const arriving = wire.filter(() => random() < 0.5).toSorted(() => random() - 0.5);
          wire = wire.filter((chunk) => !arriving.includes(chunk));
          for (const chunk of arriving) {
            const result = receiver.accept(chunk, nowMs);
            if (result instanceof Uint8Array) whole.push(result);
          }
          receiver.takeAcks((ack: ChunkAck) => {
            if (random() >= loss) sender.handleAck(ack, nowMs, 3);
          });
        }
        expect(sender.busy).toBe(false);
        expect(whole.map((bytes) => bytes.length).toSorted((a, b) => a - b)).toEqual(
          sizes.toSorted((a, b) => a - b),
        );
        for (const bytes of whole) {
          expect(frames.some((frame) => Buffer.compare(frame, bytes) === 0)).toBe(true);
        }
        expect(shared.bytes).toBe(0);
      }),
      { numRuns: 60 },
    );
  });

  it("is still acknowledged when a part comes after it was finished, and is not begun again", () => {
    const receiver = receiverFor(intake());
    const chunk = { type: "chunk", totalBytes: 100, partBytes: 100, part: 0 } as const;
    const bytes = new Uint8Array(100);
    for (let stream = 1; stream <= 500; stream++) {
      expect(receiver.accept({ ...chunk, stream, bytes }, 1)).toBeInstanceOf(Uint8Array);
    }
    const acks: number[] = [];
    receiver.takeAcks(() => {});
    for (const stream of [1, 200, 499, 500]) {
      expect(receiver.accept({ ...chunk, stream, bytes }, 2)).toBeNull();
    }
    receiver.takeAcks((ack) => acks.push(ack.stream));
    expect(acks).toEqual([1, 200, 499, 500]);
  });

  it("shares one bound with all others, and gives back what it held", () => {
    const shared = intake(3_000_000);
    const [first, second] = [receiverFor(shared), receiverFor(shared)];
    const chunk = {
      type: "chunk",
      stream: 1,
      totalBytes: 2_000_000,
      partBytes: 1_000,
      part: 0,
    } as const;
    const bytes = new Uint8Array(1_000);
    expect(first.accept({ ...chunk, bytes }, 1)).toBeNull();
    expect(second.accept({ ...chunk, bytes }, 1)).toBe("chunk: too much unfinished in all");
    first.close();
    expect(second.accept({ ...chunk, bytes }, 1)).toBeNull();
    expect(second.forgetStalled(20_000)).toBe(1);
    expect(shared.bytes).toBe(0);
  });

  it("gives the memory of a frame back when all of it has arrived, or when it is not taken", () => {
    const sender = new ChunkSender();
    const [bytes, same] = [takeWireMemory(200_000), takeWireMemory(200_000)];
    expect([sender.add(bytes, "one", 60_000, 0), sender.add(same, "one", 60_000, 0)]).toEqual([
      true,
      true,
    ]);
    expect(takeWireMemory(200_000).buffer).toBe(same.buffer);
    sender.pump(1, 20, 1_000_000, () => {});
    expect(takeWireMemory(200_000).buffer).not.toBe(bytes.buffer);
    const bits = Uint8Array.of(0b0111);
    sender.handleAck({ type: "chunkAck", stream: 1, base: 0, windowBytes: 0, bits }, 2, 1);
    expect(takeWireMemory(200_000).buffer).not.toBe(bytes.buffer);
    sender.handleAck(
      { type: "chunkAck", stream: 1, base: 4, windowBytes: 0, bits: new Uint8Array(0) },
      3,
      1,
    );
    expect(takeWireMemory(200_000).buffer).toBe(bytes.buffer);
  });

  it("that has to wait asks with one part now and then, and those behind it wait with it", () => {
    const sender = new ChunkSender(5_000);
    const sent: string[] = [];
    const pump = (nowMs: number): string[] => {
      sent.length = 0;
      sender.pump(nowMs, 20, WINDOW_BYTES, ({ stream, part }) => sent.push(`${stream}:${part}`));
      return sent;
    };
    const answer = (windowBytes: number, nowMs: number): void => {
      const bits = new Uint8Array(0);
      sender.handleAck({ type: "chunkAck", stream: 1, base: 0, windowBytes, bits }, nowMs, 1);
    };
    sender.add(new Uint8Array(40_000), "first", 1_000, 0);
    sender.add(new Uint8Array(40_000), null, 1_000, 0);
    expect(pump(1)).toEqual(["1:0", "1:1", "1:2", "1:3", "1:4"]);
    answer(0, 2);
    expect(pump(2)).toEqual([]);
    expect(sender.nextDeadlineMs()).toBeLessThanOrEqual(252);
    expect(pump(251)).toEqual([]);
    expect(pump(252)).toEqual(["1:0"]);
    answer(0, 253);
    expect(sender.has("first")).toBe(true);
    // The answer that says go came before the next question.
    answer(3_000, 300);
    expect(pump(300)).toEqual(["1:0", "1:1", "1:2"]);
  });

  it("waits its turn behind as many as the other side keeps unfinished, and is not refused", () => {
    const sender = new ChunkSender();
    const receiver = receiverFor(intake());
    const whole: number[] = [];
    for (let i = 0; i < 100; i++)
      expect(sender.add(new Uint8Array(150).fill(i), null, 100, 0)).toBe(true);
    for (let nowMs = 1; nowMs <= 7; nowMs++) {
      const chunks: Chunk[] = [];
      sender.pump(nowMs, 20, WINDOW_BYTES, (chunk) => chunks.push(chunk));
      expect(new Set(chunks.map(({ stream }) => stream)).size).toBeLessThanOrEqual(16);
      for (const chunk of chunks) {
        const result = receiver.accept(chunk, nowMs);
        if (result !== null) whole.push(Number(result[0]));
      }
      receiver.takeAcks((ack) => sender.handleAck(ack, nowMs, 0.5));
    }
    expect(whole).toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect(sender.busy).toBe(false);
  });

  it("is not taken for finished, however many behind it are, when all its parts were lost", () => {
    const sender = new ChunkSender();
    const receiver = receiverFor(intake());
    const whole: number[] = [];
    const last = 100;
    for (let i = 1; i <= last; i++) sender.add(new Uint8Array(150).fill(i), null, 100, 0);
    for (let nowMs = 0; nowMs <= 200 && sender.busy; nowMs += 0.2) {
      const chunks: Chunk[] = [];
      sender.pump(nowMs, 20, WINDOW_BYTES, (chunk) => chunks.push(chunk));
      for (const chunk of chunks) {
        const isLost = chunk.stream === 1 && nowMs < 15;
        const result = isLost ? null : receiver.accept(chunk, nowMs);
        if (result !== null) whole.push(Number(result[0]));
      }
      receiver.takeAcks((ack) => sender.handleAck(ack, nowMs, 0.2));
    }
    const sorted = whole.toSorted((a, b) => a - b);
    expect(sorted).toEqual(Array.from({ length: last }, (_, i) => i + 1));
  });

  it("for which nobody waits leaves a few parts at a time, and tells that more may leave", () => {
    const sender = new ChunkSender();
    const sent: string[] = [];
    const pump = (patientParts: number): string[] => {
      sent.length = 0;
      const emit = ({ stream, part }: Chunk): number => sent.push(`${stream}:${part}`);
      sender.pump(1, 20, WINDOW_BYTES, emit, patientParts);
      return sent;
    };
    sender.add(new Uint8Array(2_000), null, 1_000, 0);
    sender.add(new Uint8Array(4_000), null, 1_000, 0, true);
    expect(pump(0)).toEqual(["1:0", "1:1"]);
    expect(sender.hasPatient).toBe(true);
    expect(pump(3)).toEqual(["2:0", "2:1", "2:2"]);
    expect(sender.hasPatient).toBe(true);
    expect(pump(3)).toEqual(["2:3"]);
    expect(sender.hasPatient).toBe(false);
    sender.add(new Uint8Array(40_000), null, 1_000, 0, true);
    expect(pump(40)).toHaveLength(WINDOW_BYTES / 1_000 - 6);
    expect(sender.hasPatient).toBe(false);
  });

  it("has no more in flight than its acknowledgements allow", () => {
    const shared = intake(64 * 1_048_576, () => 0);
    const pairs = [1, 2, 3].map(() => [new ChunkSender(1_000), receiverFor(shared)] as const);
    for (const [sender] of pairs) sender.add(new Uint8Array(100_000), null, 1_000, 0);
    const inFlight = (nowMs: number): number => {
      let bytes = 0;
      for (const [sender, receiver] of pairs) {
        const chunks: Chunk[] = [];
        sender.pump(nowMs, 20, WINDOW_BYTES, (chunk) => chunks.push(chunk));
        for (const chunk of chunks) receiver.accept(chunk, nowMs);
        bytes += chunks.length * 1_000;
      }
      for (const [sender, receiver] of pairs)
        receiver.takeAcks((ack) => sender.handleAck(ack, nowMs, 0.5));
      return bytes;
    };
    expect(inFlight(1)).toBe(3_000);
    for (let nowMs = 2; nowMs < 12; nowMs++) expect(inFlight(nowMs)).toBeLessThan(WINDOW_BYTES);
  });

  it("survives acknowledgements that make no sense", () => {
    const sender = new ChunkSender();
    sender.add(new Uint8Array(50_000), null, 1_000, 0);
    sender.pump(1, 20, WINDOW_BYTES, () => {});
    const random = seeded(6);
    for (let i = 0; i < 2_000; i++) {
      const bits = Uint8Array.from({ length: Math.floor(random() * 20) }, () => 0);
      sender.handleAck(
        { type: "chunkAck", stream: i % 5, base: 0, windowBytes: i % 2, bits },
        2,
        1,
      );
      sender.handleAck(
        { type: "chunkAck", stream: 2 + i, base: 0xffff_ffff, windowBytes: 0, bits },
        2,
        1,
      );
    }
    expect(sender.busy).toBe(true);
    sender.handleAck(
      {
        type: "chunkAck",
        stream: 1,
        base: 0xffff_ffff,
        windowBytes: 0,
        bits: new Uint8Array(9),
      },
      2,
      1,
    );
    expect(sender.busy).toBe(false);
    expect(sender.nextDeadlineMs()).toBe(Number.POSITIVE_INFINITY);
  });
});
