/** Ids of 16 bytes as the text that the rest of the program knows them by.
 *
 *  The same few ids come again and again: with every request of a client, in every record. To make
 *  the text anew each time costs ten times as much as to find it (the text, its hash for the next
 *  map, its memory), so the last ones that were read are kept. What is found was compared byte for
 *  byte; ids that share a place only push each other out. The gain: src/node/SPEED.md. */

/** Ids kept: a power of two, in rows of two places, the newer first. */
const KEPT = 16_384;
const WORDS = 4;
export const ID_BYTES = 16;

const words = new Int32Array(KEPT * WORDS);
const texts: (string | undefined)[] = Array.from({ length: KEPT }, () => undefined);
const digits = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** 32 lower-case hex digits of the 16 bytes at `at`, which are there. */
export function idAt(bytes: Uint8Array, at: number): string {
  const first = wordAt(bytes, at);
  const second = wordAt(bytes, at + 4);
  const third = wordAt(bytes, at + 8);
  const fourth = wordAt(bytes, at + 12);
  const newer = (first ^ second) & (KEPT - 2);
  for (let place = newer; place <= newer + 1; place++) {
    const word = place * WORDS;
    const isSame =
      words[word] === first &&
      words[word + 1] === second &&
      words[word + 2] === third &&
      words[word + 3] === fourth;
    const kept = texts[place];
    if (isSame && kept !== undefined) return kept;
  }
  const text = textOf(bytes, at);
  const word = newer * WORDS;
  words.copyWithin(word + WORDS, word, word + WORDS);
  texts[newer + 1] = texts[newer];
  words[word] = first;
  words[word + 1] = second;
  words[word + 2] = third;
  words[word + 3] = fourth;
  texts[newer] = text;
  return text;
}

function textOf(bytes: Uint8Array, at: number): string {
  let text = "";
  for (let byte = at; byte < at + ID_BYTES; byte++) text += digits[bytes[byte]!]!;
  return text;
}

function wordAt(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}
