/** Memory for datagrams on their way out, used again once the socket has done with them.
 *
 *  A fresh buffer of 60,000 bytes costs more than sealing into it: the kernel clears every page
 *  that is touched for the first time. Only the socket knows when a datagram is gone, so it gives
 *  the buffer back; a transport that never does (a simulated network) gets fresh ones. */

/** What a buffer holds: a datagram of a network, the largest there is. */
const SIZES = [2_048, 65_536] as const;
/** Buffers of each size that are kept for later. */
const KEPT_MAX = 32;

const kept: Record<(typeof SIZES)[number], Buffer[]> = { 2_048: [], 65_536: [] };
/** Tells the memory of these buffers from any other. */
const owned = new WeakSet<ArrayBufferLike>();

/** `bytes` bytes of any content; whoever has them alone may write to them. */
export function takeDatagramBuffer(bytes: number): Buffer {
  const size = SIZES.find((candidate) => bytes <= candidate);
  if (size === undefined) return Buffer.allocUnsafe(bytes);
  const buffer = kept[size].pop() ?? Buffer.allocUnsafeSlow(size);
  owned.add(buffer.buffer);
  return buffer.subarray(0, bytes);
}

/** The datagram was sent, or never will be: nobody looks at its bytes again. Does nothing for
 *  memory from elsewhere, or when it is given back twice. */
export function giveBackDatagramBuffer(datagram: Uint8Array): void {
  const { buffer } = datagram;
  if (!owned.delete(buffer)) return;
  const list = buffer.byteLength === SIZES[0] ? kept[SIZES[0]] : kept[SIZES[1]];
  if (list.length < KEPT_MAX) list.push(Buffer.from(buffer));
}
