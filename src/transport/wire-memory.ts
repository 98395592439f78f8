/** Memory for datagrams on their way out and for frames that go or come in several of them, used
 *  again once nobody looks at it.
 *
 *  A fresh buffer of 60,000 bytes costs more than sealing into it: the kernel clears every page
 *  that is touched for the first time. Only the socket knows when a datagram is gone, so it gives
 *  the buffer back; a transport that never does (a simulated network) gets fresh ones. Large frames
 *  are given back by who took them in: chunk-sender.ts, endpoint.ts, append-host.ts, while
 *  early-appends.ts keeps its own. The gain: src/node/SPEED.md. */

/** What a buffer holds: a datagram of a network, the largest there is, and ever larger frames. */
const SIZES = [2_048, 65_536, 131_072, 262_144, 524_288, 1_048_576, 2_097_152];
/** Bytes of buffers of each size that are kept for later: a turn may send as many before the first
 *  of them is given back. */
const KEPT_BYTES_MAX = 4 << 20;

const kept = new Map<number, Buffer[]>(SIZES.map((size) => [size, []]));
/** Tells the memory of these buffers from any other. */
const owned = new WeakSet<ArrayBufferLike>();

/** `bytes` bytes of any content; whoever has them alone may write to them. */
export function takeWireMemory(bytes: number): Buffer {
  const size = SIZES.find((candidate) => bytes <= candidate);
  if (size === undefined) return Buffer.allocUnsafe(bytes);
  const buffer = kept.get(size)?.pop() ?? Buffer.allocUnsafeSlow(size);
  owned.add(buffer.buffer);
  return buffer.subarray(0, bytes);
}

/** Somebody looks at its bytes for longer than who would give it back: nobody gives it back any
 *  more. */
export function keepWireMemory(bytes: Uint8Array): void {
  owned.delete(bytes.buffer);
}

/** What was in it was sent or taken in, or never will be: nobody looks at its bytes again. Does
 *  nothing for memory from elsewhere, or when it is given back twice. */
export function giveBackWireMemory(bytes: Uint8Array): void {
  const { buffer } = bytes;
  if (!owned.delete(buffer)) return;
  const alike = kept.get(buffer.byteLength);
  if (alike === undefined) return;
  if ((alike.length + 1) * buffer.byteLength <= KEPT_BYTES_MAX) alike.push(Buffer.from(buffer));
}
