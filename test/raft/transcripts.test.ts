/** Protocols as text: every file in transcripts/ is run and must come out as it is written. `-u`
 *  rewrites them. */

import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { runTranscript } from "./script.ts";

const folder = new URL("transcripts/", import.meta.url).pathname;

describe("transcripts", () => {
  for (const name of readdirSync(folder).sort()) {
    it(name.replace(/\.txt$/, "").replaceAll("-", " "), async () => {
      const path = `${folder}${name}`;
      await expect(runTranscript(readFileSync(path, "utf8"))).toMatchFileSnapshot(path);
    });
  }
});
