/** What the machine itself needs for the two things that an acknowledgement cannot do without: one
 *  fdatasync into a file that is there already, and one round trip over loopback between two
 *  processes. */
import { createSocket } from "node:dgram";
import {
  closeSync,
  fdatasyncSync,
  fsyncSync,
  openSync,
  statfsSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";

const ROUNDS = 300;
const BLOCK_BYTES = 4_096;

export interface Floor {
  fdatasyncMs: number;
  roundTripMs: number;
  fileSystem: string;
}

/** Medians, measured while nothing else of ours runs. */
export async function measureFloor(directory: string): Promise<Floor> {
  return {
    fdatasyncMs: measureSync(directory),
    roundTripMs: await measureRoundTrip(),
    fileSystem: fileSystemOf(directory),
  };
}

/** Linux's number of a file system as a name. */
export function fileSystemOf(directory: string): string {
  const names: Record<number, string> = {
    0xef53: "ext4",
    0x9123683e: "btrfs",
    0x58465342: "xfs",
    0x01021994: "tmpfs",
    0x794c7630: "overlayfs",
    0x2fc12fc1: "zfs",
    0x6969: "nfs",
  };
  const { type } = statfsSync(directory);
  return names[type] ?? `0x${type.toString(16)}`;
}

function measureSync(directory: string): number {
  const path = join(directory, "floor");
  const file = openSync(path, "w");
  try {
    const block = Buffer.alloc(BLOCK_BYTES, 1);
    for (let number = 0; number < ROUNDS; number++) writeSync(file, block);
    fsyncSync(file);
    const spansMs: number[] = [];
    for (let number = 0; number < ROUNDS; number++) {
      writeSync(file, block, 0, BLOCK_BYTES, number * BLOCK_BYTES);
      const startedMs = performance.now();
      fdatasyncSync(file);
      spansMs.push(performance.now() - startedMs);
    }
    return median(spansMs);
  } finally {
    closeSync(file);
    unlinkSync(path);
  }
}

async function measureRoundTrip(): Promise<number> {
  const echo = Bun.spawn([process.execPath, import.meta.path, "echo"], { stdout: "pipe" });
  const socket = createSocket("udp4");
  try {
    const first = await echo.stdout.getReader().read();
    const port = Number(new TextDecoder().decode(first.value));
    const datagram = Buffer.alloc(200, 1);
    const spansMs: number[] = [];
    for (let number = 0; number < ROUNDS; number++) {
      const startedMs = performance.now();
      await new Promise<void>((resolve, reject) => {
        socket.once("error", reject);
        socket.once("message", () => resolve());
        socket.send(datagram, port, "127.0.0.1");
      });
      socket.removeAllListeners("error");
      spansMs.push(performance.now() - startedMs);
    }
    return median(spansMs);
  } finally {
    socket.close();
    echo.kill();
  }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return Math.round((sorted[sorted.length >> 1] ?? Number.NaN) * 100) / 100;
}

/** The other end of the round trip, in a process of its own. */
function echo(): void {
  const socket = createSocket("udp4");
  socket.on("message", (datagram, from) => socket.send(datagram, from.port, from.address));
  socket.bind(0, "127.0.0.1", () => process.stdout.write(`${socket.address().port}\n`));
}

if (import.meta.main && process.argv[2] === "echo") echo();
