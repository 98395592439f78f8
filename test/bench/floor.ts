/** What the machine itself needs for the things that an acknowledgement cannot do without:
 *  fdatasync into a file that is there already, alone and beside two other writers; a round trip
 *  over loopback between two processes, bare and sealed; sealing and opening one datagram; and what
 *  the disk takes when it is only written to.
 *
 *  The floor of one entry with three nodes on one machine is one fdatasync with three writers at
 *  once and two sealed round trips: client to leader, leader to follower. */
import { spawn, type ChildProcess } from "node:child_process";
import { createSecretKey } from "node:crypto";
import { createSocket } from "node:dgram";
import { closeSync, fdatasyncSync, fsyncSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { giveBackWireMemory } from "../../src/transport/wire-memory.ts";
import { openDatagram, readHeader, sealDatagram } from "../../src/transport/datagram.ts";
import { Running } from "../e2e/world.ts";
import { median } from "../quantile.ts";

export interface Floors {
  /** Medians, milliseconds. */
  readonly fdatasyncMs: number;
  readonly fdatasyncOfThreeMs: number;
  readonly roundTripMs: number;
  readonly sealedRoundTripMs: number;
  /** CPU of sealing one datagram and opening it, microseconds. */
  readonly sealedDatagramUs: number;
  /** Megabytes (10^6) a second, written in a row and synced once at the end. */
  readonly writeMBps: number;
  /** fdatasyncOfThreeMs and two sealed round trips. */
  readonly entryMs: number;
}

const ROUNDS = 300;
const BLOCK = Buffer.alloc(4_096, 1);
/** A record of an entry of 100 bytes and what surrounds it on the wire. */
const BODY_BYTES = 160;
const WRITERS = 3;
const WRITERS_MS = 600;
const SEAL_BURSTS = 10;
const SEALS_PER_BURST = 2_000;
const CHUNK_BYTES = 1_048_576;
const WRITTEN_BYTES = 128 * CHUNK_BYTES;

/** Measured while nothing else of ours runs, some 4 s long. The files stay in `directory`: removing
 *  them would disturb what is measured next. */
export async function measureFloors(directory: string): Promise<Floors> {
  const fdatasyncMs = median(syncSpansMs(preparedFile(join(directory, "floor-0")), null));
  const fdatasyncOfThreeMs = await measureWriters(directory);
  const roundTripMs = await measureRoundTrip("echo");
  const sealedRoundTripMs = await measureRoundTrip("sealed-echo");
  return {
    fdatasyncMs,
    fdatasyncOfThreeMs,
    roundTripMs,
    sealedRoundTripMs,
    sealedDatagramUs: measureSeal(),
    writeMBps: measureWrite(join(directory, `floor-written-${Math.round(performance.now())}`)),
    entryMs: fdatasyncOfThreeMs + 2 * sealedRoundTripMs,
  };
}

/** A file of ROUNDS blocks that is on the disk. */
function preparedFile(path: string): number {
  const file = openSync(path, "w");
  for (let number = 0; number < ROUNDS; number++) writeSync(file, BLOCK);
  fsyncSync(file);
  return file;
}

/** How long each fdatasync took, after a block was written in the midst of the file: ROUNDS of
 *  them, or as many as begin within `forMs`. */
function syncSpansMs(file: number, forMs: number | null): number[] {
  const spansMs: number[] = [];
  const fromMs = performance.now();
  const goesOn = (number: number): boolean =>
    forMs === null ? number < ROUNDS : performance.now() - fromMs < forMs;
  for (let number = 0; goesOn(number); number++) {
    writeSync(file, BLOCK, 0, BLOCK.length, (number % ROUNDS) * BLOCK.length);
    const startedMs = performance.now();
    fdatasyncSync(file);
    spansMs.push(performance.now() - startedMs);
  }
  closeSync(file);
  return spansMs;
}

/** Three processes, each with a file of its own, for the same time, once all are there. */
async function measureWriters(directory: string): Promise<number> {
  const writers = Array.from(
    { length: WRITERS },
    (_, at) => new Running(other("writer", join(directory, `floor-${at + 1}`))),
  );
  try {
    for (const writer of writers) await writer.waitForLine(/^ready$/);
    for (const writer of writers) writer.write("start\n");
    const spansMs: number[] = [];
    for (const writer of writers) {
      const [line] = await writer.waitForLine(/^\[.*\]$/);
      spansMs.push(...(JSON.parse(line) as number[]));
    }
    return median(spansMs);
  } finally {
    await Promise.all(writers.map((writer) => writer.kill()));
  }
}

async function measureRoundTrip(role: "echo" | "sealed-echo"): Promise<number> {
  const echo = new Running(other(role));
  const socket = createSocket("udp4");
  try {
    const port = Number((await echo.waitForLine(/^\d+$/))[0]);
    const make = role === "echo" ? () => Buffer.alloc(BODY_BYTES, 1) : sealed;
    const check = role === "echo" ? () => {} : opened;
    const spansMs: number[] = [];
    for (let number = 0; number < ROUNDS; number++) {
      const startedMs = performance.now();
      await new Promise<void>((resolve, reject) => {
        socket.once("error", reject);
        socket.once("message", (datagram) => {
          check(datagram);
          resolve();
        });
        const datagram = make();
        socket.send(datagram, port, "127.0.0.1", () => giveBackWireMemory(datagram));
      });
      socket.removeAllListeners("error");
      spansMs.push(performance.now() - startedMs);
    }
    return median(spansMs);
  } finally {
    socket.close();
    await echo.kill();
  }
}

/** CPU of sealing one datagram and opening it, microseconds; the buffer is used again, as a socket
 *  does. Processor time and the least of several bursts: what else runs on the machine, and the
 *  runtime's own threads, add to a burst and never take away. The first ones warm up. */
export function measureSeal(): number {
  let leastUs = Infinity;
  for (let burst = -SEAL_BURSTS; burst < SEAL_BURSTS; burst++) {
    const before = process.cpuUsage();
    for (let number = 0; number < SEALS_PER_BURST; number++) {
      const datagram = sealed();
      opened(datagram);
      giveBackWireMemory(datagram);
    }
    const { user, system } = process.cpuUsage(before);
    if (burst >= 0) leastUs = Math.min(leastUs, user + system);
  }
  return leastUs / SEALS_PER_BURST;
}

function measureWrite(path: string): number {
  const file = openSync(path, "w");
  try {
    const chunk = Buffer.alloc(CHUNK_BYTES, 1);
    const startedMs = performance.now();
    for (let written = 0; written < WRITTEN_BYTES; written += CHUNK_BYTES) writeSync(file, chunk);
    fdatasyncSync(file);
    return WRITTEN_BYTES / 1_000 / (performance.now() - startedMs);
  } finally {
    closeSync(file);
  }
}

const KEY = createSecretKey(Buffer.alloc(32, 1));
const TAG = Buffer.alloc(4, 2);
const BODY = Buffer.alloc(BODY_BYTES, 3);
const MEMBER_KIND = 4;
let counter = 0;

function sealed(): Uint8Array {
  const ends = { from: 1, to: 2, fromConnection: 3, toConnection: 4 };
  const header = { kind: MEMBER_KIND, ...ends, counter: ++counter, bootId: null };
  return sealDatagram(KEY, TAG, header, BODY);
}

function opened(datagram: Uint8Array): void {
  const header = readHeader(datagram, TAG);
  if (typeof header === "string") throw new Error(`not a sealed datagram: ${header}`);
  if (openDatagram(KEY, datagram, header) === null) throw new Error("the seal does not hold");
}

function other(...args: string[]): ChildProcess {
  return spawn(process.execPath, [import.meta.path, ...args], { stdio: "pipe" });
}

/** The other end of a round trip, in a process of its own. */
function echo(answerTo: (datagram: Uint8Array) => Uint8Array): void {
  const socket = createSocket("udp4");
  socket.on("message", (datagram, from) => {
    const answer = answerTo(datagram);
    socket.send(answer, from.port, from.address, () => giveBackWireMemory(answer));
  });
  socket.bind(0, "127.0.0.1", () => console.log(socket.address().port));
}

/** Says when it is ready, and measures when it is told to start. */
function write(path: string): void {
  const file = preparedFile(path);
  process.stdin.once("data", () => {
    console.log(JSON.stringify(syncSpansMs(file, WRITERS_MS)));
    process.stdin.destroy();
  });
  console.log("ready");
}

if (import.meta.main) {
  const [role, path = ""] = process.argv.slice(2);
  if (role === "echo") echo((datagram) => datagram);
  if (role === "sealed-echo") {
    echo((datagram) => {
      opened(datagram);
      return sealed();
    });
  }
  if (role === "writer") write(path);
}
