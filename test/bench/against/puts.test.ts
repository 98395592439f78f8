/** The loads over TCP, against servers that answer by hand. */
import { createServer, type Socket } from "node:net";
import { expect, it, onTestFinished } from "vitest";
import { openEtcdPuts } from "./etcd-puts.ts";
import { openNatsPuts } from "./nats-puts.ts";
import { numberedEntry } from "./entry.ts";
import type { Answers } from "./wire.ts";

/** A server of one connection; what it was sent is in `heard`. */
async function server(): Promise<{ port: number; heard: () => Buffer; socket: () => Socket }> {
  let heard = Buffer.alloc(0);
  let client: Socket | null = null;
  const listening = createServer((socket) => {
    client = socket;
    socket.on("data", (chunk: Buffer) => (heard = Buffer.concat([heard, chunk])));
    socket.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => listening.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void listening.close());
  const address = listening.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const socket = () => {
    if (client === null) throw new Error("nobody has connected");
    return client;
  };
  return { port: address.port, heard: () => heard, socket };
}

/** What a load was told, and when it had been told so many things. */
function listener(): Answers & { told: string[]; count: (n: number) => Promise<string[]> } {
  const told: string[] = [];
  let wake: () => void = () => undefined;
  const tell = (text: string) => {
    told.push(text);
    wake();
  };
  return {
    told,
    acknowledged: (slot, place) => tell(`${slot} at ${place}`),
    failed: (reason) => tell(reason),
    async count(n) {
      while (told.length < n) await new Promise<void>((resolve) => (wake = resolve));
      return told;
    },
  };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => void setTimeout(resolve, 5));
}

function frame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** The frames that a client sent behind its preface. */
function framesOf(bytes: Buffer): { type: number; stream: number; payload: Buffer }[] {
  const frames = [];
  for (let at = 24; at + 9 <= bytes.length;) {
    const end = at + 9 + bytes.readUIntBE(at, 3);
    const stream = bytes.readUInt32BE(at + 5);
    frames.push({ type: bytes.readUInt8(at + 3), stream, payload: bytes.subarray(at + 9, end) });
    at = end;
  }
  return frames;
}

const nothing = Buffer.alloc(0);
const [DATA, HEADERS, SETTINGS, WINDOW_UPDATE] = [0, 1, 4, 8];
const END_STREAM = 1;

/** The answer to a put: headers, an empty response, trailers. */
function granted(stream: number): Buffer {
  return Buffer.concat([
    frame(HEADERS, 4, stream, Buffer.from([0x88])),
    frame(DATA, 0, stream, Buffer.alloc(5)),
    frame(HEADERS, 4 | END_STREAM, stream, nothing),
  ]);
}

it("a put to etcd is one HEADERS and one DATA, and ends when its stream has been answered", async () => {
  const { port, heard, socket } = await server();
  const answers = listener();
  const puts = await openEtcdPuts(port, answers);
  for (const slot of [0, 1, 2]) puts.put(slot, 70 + slot, numberedEntry(12, 70 + slot));
  puts.flush();
  await until(() => framesOf(heard()).filter(({ type }) => type === DATA).length === 3);
  const sent = framesOf(heard()).filter(({ type }) => type === DATA);
  expect(sent.map(({ stream }) => stream)).toEqual([1, 3, 5]);
  const message = "\n\x10bench/0000000070\x12\x0c0000000070xx";
  expect(sent[0]?.payload.toString("latin1")).toBe(`\0\0\0\0\x20${message}`);
  // In any order, cut anywhere.
  for (const byte of Buffer.concat([granted(3), granted(1), granted(5)]))
    socket().write(Uint8Array.of(byte));
  expect(await answers.count(3)).toEqual(["1 at 0", "0 at 0", "2 at 0"]);
  await puts.close();
});

it("a put to etcd that is answered without a response has failed", async () => {
  const { port, socket } = await server();
  const answers = listener();
  const puts = await openEtcdPuts(port, answers);
  puts.put(0, 1, numberedEntry(12, 1));
  puts.flush();
  await until(() => {
    try {
      return socket() !== null;
    } catch {
      return false;
    }
  });
  socket().write(frame(HEADERS, 4 | END_STREAM, 1, Buffer.from("no space")));
  expect((await answers.count(1))[0]).toContain("no space");
  await puts.close();
});

it("no more goes to etcd than its windows take; the rest goes when they open", async () => {
  const { port, heard, socket } = await server();
  const answers = listener();
  const puts = await openEtcdPuts(port, answers);
  const entries = 20;
  for (let slot = 0; slot < entries; slot++) puts.put(slot, slot, numberedEntry(6_000, slot));
  puts.flush();
  const dataBytes = () =>
    framesOf(heard())
      .filter(({ type }) => type === DATA)
      .reduce((sum, { payload }) => sum + payload.length, 0);
  await until(() => dataBytes() > 55_000);
  const more = Buffer.alloc(4);
  more.writeUInt32BE(100_000);
  expect(dataBytes()).toBeLessThanOrEqual(65_535);
  socket().write(Buffer.concat([frame(SETTINGS, 0, 0, nothing), granted(1)]));
  await answers.count(1);
  expect(dataBytes()).toBeLessThanOrEqual(65_535);
  socket().write(frame(WINDOW_UPDATE, 0, 0, more));
  // One of them was cut where the window ended.
  await until(() => framesOf(heard()).filter(({ type }) => type === DATA).length === entries + 1);
  const numbers = framesOf(heard())
    .filter(({ type }) => type === DATA)
    .flatMap(({ payload }) => /\/(\d{10})/.exec(payload.toString("latin1"))?.[1] ?? [])
    .map(Number);
  expect(numbers).toEqual(Array.from({ length: entries }, (_, at) => at));
  await puts.close();
});

it("a put to etcd that is larger than its windows goes in parts, as they open", async () => {
  const { port, heard, socket } = await server();
  const answers = listener();
  const puts = await openEtcdPuts(port, answers);
  const size = 1_048_576;
  puts.put(0, 7, numberedEntry(size, 7));
  puts.put(1, 8, numberedEntry(12, 8));
  puts.flush();
  const parts = () => framesOf(heard()).filter(({ type }) => type === DATA);
  const bytesOf = (stream: number) =>
    Buffer.concat(parts().flatMap((part) => (part.stream === stream ? [part.payload] : [])));
  const open = (stream: number, bytes: number) => {
    const more = Buffer.alloc(4);
    more.writeUInt32BE(bytes);
    socket().write(frame(WINDOW_UPDATE, 0, stream, more));
  };
  await until(() => bytesOf(1).length === 65_535);
  open(0, 2 * size);
  open(1, 100_000);
  await until(() => bytesOf(1).length === 165_535);
  const initial = Buffer.alloc(6);
  initial.writeUInt16BE(4, 0);
  initial.writeUInt32BE(2 * size, 2);
  socket().write(frame(SETTINGS, 0, 0, initial));
  await until(() => bytesOf(3).length > 0);
  expect(bytesOf(1).subarray(-size).equals(numberedEntry(size, 7))).toBe(true);
  expect(Math.max(...parts().map(({ payload }) => payload.length))).toBe(16_384);
  socket().write(Buffer.concat([granted(1), granted(3)]));
  expect(await answers.count(2)).toEqual(["0 at 0", "1 at 0"]);
  await puts.close();
});

it("a publish to NATS ends with the acknowledgement under its own reply subject", async () => {
  const { port, heard, socket } = await server();
  const answers = listener();
  const puts = await openNatsPuts(port, "bench", answers);
  puts.put(7, 0, numberedEntry(12, 0));
  puts.put(8, 1, numberedEntry(12, 1));
  puts.flush();
  await until(() => heard().includes("0000000001xx\r\n"));
  const text = heard().toString("latin1");
  const replies = [...text.matchAll(/^PUB bench (\S+) 12\r\n\d{10}xx\r\n/gm)].map(([, to]) => to);
  expect(replies).toHaveLength(2);
  const answer = (to: string | undefined, body: string) =>
    `MSG ${to} 1 ${body.length}\r\n${body}\r\n`;
  const both = `PING\r\n${answer(replies[1], '{"stream":"S", "seq":5}')}${answer(replies[0], '{"stream":"S", "seq":6}')}`;
  for (const byte of Buffer.from(both)) socket().write(Uint8Array.of(byte));
  expect(await answers.count(2)).toEqual(["8 at 5", "7 at 6"]);
  await until(() => heard().includes("PONG\r\n"));
  socket().write(answer(replies[0], '{"error":{"description":"no room"}}'));
  expect((await answers.count(3))[2]).toContain("no room");
  puts.close();
});
