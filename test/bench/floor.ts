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
import { openDatagram, readHeader, sealDatagram } from "../../src/transport/datagram.ts";
import { Running, sleep } from "../e2e/world.ts";

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
/** Until all writers are there. */
const WRITERS_START_MS = 400;
const SEALS = 20_000;
const CHUNK_BYTES = 1_048_576;
const WRITTEN_BYTES = 128 * CHUNK_BYTES;

/** Measured while nothing else of ours runs, some 4 s long. The files stay in `directory`: removing
 *  them would disturb what is measured next. */
export async function measureFloors(directory: string): Promise<Floors> {
  const fdatasyncMs = median(syncSpansMs(preparedFile(join(directory, "floor-0")), ROUNDS));
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

/** How long each fdatasync took, after a block was written in the midst of the file: so many times,
 *  or until that time. */
function syncSpansMs(file: number, times: number, untilMs = Infinity): number[] {
  const spansMs: number[] = [];
  for (let number = 0; number < times && Date.now() < untilMs; number++) {
    writeSync(file, BLOCK, 0, BLOCK.length, (number % ROUNDS) * BLOCK.length);
    const startedMs = performance.now();
    fdatasyncSync(file);
    spansMs.push(performance.now() - startedMs);
  }
  closeSync(file);
  return spansMs;
}

/** Three processes, each with a file of its own, for the same time. */
async function measureWriters(directory: string): Promise<number> {
  const fromMs = Date.now() + WRITERS_START_MS;
  const writers = Array.from({ length: WRITERS }, (_, at) =>
    other("writer", join(directory, `floor-${at + 1}`), String(fromMs)),
  );
  const spansMs: number[] = [];
  for (const writer of writers.map((child) => new Running(child))) {
    const [line] = await writer.waitForLine(/^\[.*\]$/);
    spansMs.push(...(JSON.parse(line) as number[]));
    await writer.exited;
  }
  return median(spansMs);
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
        socket.send(make(), port, "127.0.0.1");
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

/** CPU of sealing one datagram and opening it, microseconds. */
export function measureSeal(): number {
  let startedMs = 0;
  for (let number = -SEALS; number < SEALS; number++) {
    if (number === 0) startedMs = performance.now();
    opened(sealed());
  }
  return ((performance.now() - startedMs) * 1_000) / SEALS;
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

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

function other(...args: string[]): ChildProcess {
  return spawn(process.execPath, [import.meta.path, ...args], { stdio: "pipe" });
}

/** The other end of a round trip, in a process of its own. */
function echo(answerTo: (datagram: Uint8Array) => Uint8Array): void {
  const socket = createSocket("udp4");
  socket.on("message", (datagram, from) => {
    socket.send(answerTo(datagram), from.port, from.address);
  });
  socket.bind(0, "127.0.0.1", () => console.log(socket.address().port));
}

async function write(path: string, fromMs: number): Promise<void> {
  const file = preparedFile(path);
  await sleep(fromMs - Date.now());
  console.log(JSON.stringify(syncSpansMs(file, Infinity, fromMs + WRITERS_MS)));
}

if (import.meta.main) {
  const [role, path = "", fromMs = ""] = process.argv.slice(2);
  if (role === "echo") echo((datagram) => datagram);
  if (role === "sealed-echo") {
    echo((datagram) => {
      opened(datagram);
      return sealed();
    });
  }
  if (role === "writer") await write(path, Number(fromMs));
}
