/** Ids of 16 bytes as the text that the rest of the program knows them by.
 *
 *  The same few ids come again and again: with every request of a client, in every record. To make
 *  the text anew each time costs ten times as much as to find it (the text, its hash for the next
 *  map, its memory), so the last ones that were read are kept. What is found was compared byte for
 *  byte; ids that share a place only push each other out. The gain: src/node/SPEED.md. */

/** A power of two. */
const KEPT = 4_096;
const WORDS = 4;
export const ID_BYTES = 16;

const words = new Int32Array(KEPT * WORDS);
const texts: (string | undefined)[] = Array.from({ length: KEPT }, () => undefined);

/** 32 lower-case hex digits of the 16 bytes at `at`, which are there. */
export function idAt(bytes: Uint8Array, at: number): string {
  const first = wordAt(bytes, at);
  const second = wordAt(bytes, at + 4);
  const third = wordAt(bytes, at + 8);
  const fourth = wordAt(bytes, at + 12);
  const place = (first ^ second) & (KEPT - 1);
  const word = place * WORDS;
  const kept = texts[place];
  if (
    kept !== undefined &&
    words[word] === first &&
    words[word + 1] === second &&
    words[word + 2] === third &&
    words[word + 3] === fourth
  )
    return kept;
  let text = "";
  for (const byte of bytes.subarray(at, at + ID_BYTES)) text += byte.toString(16).padStart(2, "0");
  words[word] = first;
  words[word + 1] = second;
  words[word + 2] = third;
  words[word + 3] = fourth;
  texts[place] = text;
  return text;
}

function wordAt(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}
