/** What goes in comes out: many lines, large ones, empty ones, bytes of any kind; and each once. */
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { cluster, world } from "./harness.ts";
import { clientOf, equalLogs, parseLog } from "./observe.ts";

const MEBIBYTE = 1_048_576;

describe("raft send -", () => {
  it("takes 100,000 lines in order and says where they are", async () => {
    const { world } = await cluster(3);
    const lines = Array.from({ length: 100_000 }, (_, number) => `line ${number}`);
    const result = await world.run(["send", "-q", "-"], {
      stdin: lines.map((line) => `${line}\n`).join(""),
      timeoutMs: 60_000,
    });
    expect(result.stderr).toMatch(/^100000 entries, \d+ to \d+, [\d.]+m?s\n$/);
    expect(result).toMatchObject({ code: 0, stdout: "" });
    const [, first, last] = /(\d+) to (\d+)/.exec(result.stderr) ?? [];
    expect(Number(last) - Number(first)).toBe(99_999);
    const out = (await world.must(["log", "--raw"], { timeoutMs: 60_000 })).split("\n");
    expect(out.length).toBe(lines.length + 1);
    expect(lines.findIndex((line, at) => line !== out[at])).toBe(-1);
    await equalLogs(world, [1, 2, 3], Number(last));
  });

  it("takes empty lines, bytes that are not UTF-8, and a last line without an end", async () => {
    const { world } = await cluster(3);
    const input = Buffer.concat([
      Buffer.from("\n\nolá\n"),
      Buffer.from([0xff, 0x00, 0xfe, 0x0a]),
      Buffer.from("\r\nlast"),
    ]);
    const receipts = parseLog(await world.must(["send", "--json", "-"], { stdin: input }));
    expect(receipts).toHaveLength(6);
    const log = parseLog(await world.must(["log", "--json"]));
    expect(log.map(({ index }) => index)).toEqual(receipts.map(({ index }) => index));
    const bytes = log.map(({ entry, base64 }) => entry ?? Buffer.from(base64 ?? "", "base64"));
    expect(bytes).toEqual(["", "", "olá", Buffer.from([0xff, 0x00, 0xfe]), "\r", "last"]);
  });

  it("tells an unknown outcome from a line that was not added, and finishes it under an id", async () => {
    const { world, nodes } = await cluster(3);
    const { id } = JSON.parse(await world.must(["leader", "--json"])) as { id: number };
    const others = nodes.filter((_, at) => at + 1 !== id);
    const stdin = "p1\np2\np3\n";
    const command = ["send", "-", "--timeout", "1s"];
    const numbered = [...command, "--request-id", "once"];
    for (const node of others) node.signal("SIGSTOP");
    const [bare, named] = await Promise.all([
      world.run(command, { stdin }),
      world.run(numbered, { stdin: "q1\nq2\n" }),
    ]);
    for (const node of others) node.signal("SIGCONT");
    expect(bare.code).toBe(5);
    expect(bare.stderr).toMatch(
      /No line is acknowledged\. Lines 1 to 3 may or may not be in the log\. See \S+ log -n 20 --cluster \S+\n$/,
    );
    expect(named.code).toBe(5);
    expect(named.stderr).toMatch(
      /with the same input:\n\S+ send - --request-id once --cluster \S+\n$/,
    );
    await world.must(["send", "-", "--request-id", "once", "--timeout", "20s"], {
      stdin: "q1\nq2\n",
    });
    const log = (await world.must(["log", "--raw"])).split("\n");
    expect(log.filter((line) => line.startsWith("q"))).toEqual(["q1", "q2"]);
  });

  it("says that nothing was there when the input is empty", async () => {
    const { world } = await cluster(3);
    const result = await world.run(["send", "-"], { stdin: "" });
    expect(result).toMatchObject({
      code: 0,
      stdout: "",
      stderr: "0 entries: the input was empty\n",
    });
  });
});

describe("an entry of 1 MiB", () => {
  it("comes out with the same bytes, from every node, and one byte more is refused", async () => {
    const { world } = await cluster(3);
    const entry = Buffer.alloc(MEBIBYTE);
    for (let at = 0; at < entry.length; at++) entry[at] = (at * 31 + (at >> 8)) & 0xff;
    const client = await clientOf(world);
    const { index } = await client.send(entry, { timeoutMs: 20_000 });
    const hash = sha256(entry);
    for (const node of [1, 2, 3]) {
      for await (const read of client.log({ from: index, node, timeoutMs: 20_000 })) {
        expect(sha256(read.bytes)).toBe(hash);
      }
    }
    const text = `${"y".repeat(MEBIBYTE)}\n`;
    await world.must(["send", "-q", "-"], { stdin: text });
    expect(await world.must(["log", "-n", "1", "--raw"])).toBe(text);
    await expect(client.send(Buffer.alloc(MEBIBYTE + 1))).rejects.toMatchObject({ exitCode: 8 });
    const refused = await world.run(["send", "-"], {
      stdin: `fits\n${"y".repeat(MEBIBYTE + 1)}\n`,
    });
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch(/line 2 is longer than an entry may be \(1048576 bytes\)/);
    expect(await world.must(["log", "-n", "1", "--raw"])).toBe("fits\n");
  });
});

describe("raft send", () => {
  it("adds several words together, and shows them as several", async () => {
    const { world } = await cluster(3);
    const out = await world.must(["send", "Nova", "entrada"]);
    const [, first, second] = /^(\d+) {2}.*"Nova"\n(\d+) {2}.*"entrada"\n$/.exec(out) ?? [];
    expect(Number(second)).toBe(Number(first) + 1);
    expect(await world.must(["log", "--raw"])).toBe("Nova\nentrada\n");
  });

  it("with --if-last adds only while nobody was faster", async () => {
    const { world } = await cluster(3);
    const zero = await world.run(["send", "--if-last", "0", "--json", "first"]);
    expect(zero.stderr).toBe("");
    const { index } = JSON.parse(zero.stdout) as { index: number };
    const late = await world.run(["send", "--if-last", "0", "second"]);
    expect(late).toMatchObject({ code: 8, stdout: "" });
    expect(late.stderr).toMatch(new RegExp(`not added: the last entry is ${index}`));
    await world.must(["send", "--if-last", String(index), "second"]);
    expect(await world.must(["log", "--raw"])).toBe("first\nsecond\n");
  });

  it("with a request id adds once, and says the second time that it was there", async () => {
    const { world } = await cluster(3);
    const send = ["send", "--request-id", "payment-17", "pay 100"];
    const [, index] = /^(\d+) {2}term \d+, on the disks/.exec(await world.must(send)) ?? [];
    await world.must(["send", "another"]);
    expect(await world.must(send)).toMatch(
      new RegExp(`^${index}  term \\d+, was already there\n$`),
    );
    const json = JSON.parse(await world.must([...send, "--json"])) as Record<string, unknown>;
    expect(json).toMatchObject({ index: Number(index), duplicate: true });
    expect(await world.must(["log", "--raw"])).toBe("pay 100\nanother\n");
  });
});

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

describe("raft send --file", () => {
  it("takes a whole file of any bytes as one entry, up to the limit, and gives it back", async () => {
    const { world } = await cluster(3);
    const path = join(world.directory, "work", "a file");
    const bytes = Buffer.alloc(MEBIBYTE);
    for (let at = 0; at < bytes.length; at += 1) bytes[at] = (at * 7 + (at >> 8)) & 0xff;
    writeFileSync(path, bytes);
    const receipt = await world.must(["send", "--file", "a file"]);
    expect(receipt).toMatch(/^\d+ {2}term \d+, on the disks of [^"\n]*\n$/);
    const [entry] = parseLog(await world.must(["log", "--json"]));
    expect(Buffer.from(entry?.base64 ?? "", "base64").equals(bytes)).toBe(true);
    await world.must(["send", "--request-id", "once", "--file", path, "-q"]);
    expect(await world.must(["send", "--request-id", "once", "--file", path])).toMatch(
      /, was already there\n$/,
    );
    expect(parseLog(await world.must(["log", "--json"]))).toHaveLength(2);
  });

  it("says the limit when the file is too large, and what else it may be", async () => {
    const made = world();
    const work = join(made.directory, "work");
    writeFileSync(join(work, "large"), Buffer.alloc(MEBIBYTE + 1));
    writeFileSync(join(work, "empty"), "");
    const refusals = [
      [
        "large",
        /large has 1048577 bytes; the limit of one entry is 1048576\. Each of its lines as an entry: {2}\S+ send - < large\n$/,
      ],
      ["empty", /empty is empty: there is nothing to add\n$/],
      ["nowhere", /there is no file nowhere\n$/],
      [".", /\. cannot be read: not a file\n$/],
      ["empty/below", /empty\/below cannot be read: ENOTDIR: not a directory\n$/],
    ] as const;
    for (const [file, sentence] of refusals) {
      const refused = await made.run(["send", "--file", file]);
      expect(refused).toMatchObject({ code: 2, stdout: "" });
      expect(refused.stderr).toMatch(sentence);
    }
    const both = await made.run(["send", "--file", "large", "words"]);
    expect(both.code).toBe(2);
    expect(both.stderr).toMatch(/--file or words, not both/);
  });
});
