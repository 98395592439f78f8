/** What was typed wrongly, what is in the way, and what is not there: each ends with one clear
 *  sentence and the exit code that says which kind of failure it was, and nothing is lost. */
import { spawnSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cluster, executable, type Result, World, world } from "./harness.ts";

const ENTRY_BYTES_MAX = 1_048_576;

/** A failure that a person can act on: the code, a sentence on stderr, nothing on stdout, no trace
 *  of our code. */
function expectSentence(result: Result, code: number, sentence: RegExp): void {
  expect(result.stderr).toMatch(sentence);
  expect(result).toMatchObject({ code, stdout: "", timedOut: false });
  expect(result.stderr).not.toMatch(/a bug in raft|\n\s+at |undefined|\[object|NaN/);
}

describe("a mistyped command", () => {
  const typed: [string[], RegExp][] = [
    [["sned", "x"], /there is no command sned; did you mean send\?/],
    [["--jsno"], /the command comes first/],
    [["status", "--jsno"], /there is no flag --jsno; did you mean --json\?/],
    [["up", "--id", "1", "--sise", "3"], /there is no flag --sise; did you mean --size\?/],
    [["log", "-x"], /there is no flag -x/],
    [["members", "replce", "2"], /replce.*replace/],
    [["members", "rm", "2"], /there is no rm here; did you mean remove\?/],
    [["verify", "nonexistent"], /^there is no directory nonexistent$/m],
    [["verify", "x".repeat(300)], /^cannot be read: \S+xxx: ENAMETOOLONG: name too long$/m],
    [["send", "--file", ""], /--file is empty/],
    [["verify", "--data-dir", "nonexistent"], /^there is no directory nonexistent$/m],
    [["verify", "."], /^no node of cluster \S+ has data in \.$/m],
    [["verify", "one", "--data-dir", "two"], /DIR or --data-dir, not both/],
    [["up", "--id", "1", "--data-dir", ""], /--data-dir is empty: name a directory/],
    [["wipe", "--yes", "--data-dir", ""], /--data-dir is empty: name a directory/],
    [["verify", "--data-dir="], /--data-dir is empty: name a directory/],
    [["up"], /which node is this\?.*--id 1/],
    [["up", "--id", "0"], /--id 0: an id is 1 to 999/],
    [["up", "--id", "abc"], /--id abc: an id is 1 to 999/],
    [["up", "--id", "1000"], /--id 1000: an id is 1 to 999/],
    [["up", "--id", "1.5"], /--id 1\.5: an id is 1 to 999/],
    [["up", "--id"], /--id needs a value: --id N/],
    [["up", "--id", "1", "--id", "2"], /--id is given twice/],
    [["up", "--id", "1", "--size", "0"], /--size 0: a cluster's size is 1 to 16/],
    [["up", "--id", "1", "--size", "17"], /--size 17: a cluster's size is 1 to 16/],
    [["up", "--id", "1", "--voters", "1,1,2"], /--voters 1,1,2: 1 is in it twice/],
    [["up", "--id", "1", "--port", "70000"], /--port 70000: a port is 1 to 65535/],
    [["up", "--id", "1", "--cluster", "a/b"], /--cluster a\/b: a name is 1 to 32 of/],
    [
      ["up", "--id", "1", "--peers", "a b"],
      /--peers a b: "a b" is not HOST, HOST:PORT or ID=HOST:PORT/,
    ],
    [
      ["up", "--id", "1", "--election", "60ms"],
      /--election 60ms is less than 3 heartbeats of 50ms/,
    ],
    [["up", "extra", "--id", "1"], /extra/],
    [["up", "1"], /one word too many: 1; did you mean --id 1\?/],
    [["send"], /ENTRY/],
    [["send", ""], /the entry is empty/],
    [["send", "a", ""], /entry 2 is empty/],
    [
      ["send", "--timeout", "soon", "x"],
      /--timeout soon: a time is 500ms, 5s or a number of milliseconds/,
    ],
    [["send", "-5 graus"], /send .*-- "-5 graus"/],
    [["log", "--from", "9", "--to", "3"], /--from 9 comes after --to 3/],
    [["stop", "somebody"], /"somebody": a node's id, 1 to 999, or leader/],
    [["members", "add"], /which node\?.*members add ID/],
  ];

  it.each(typed)("raft %j ends with 2 and a sentence", async (words, sentence) => {
    expectSentence(await world().run(words), 2, sentence);
  });

  it("names every problem of a command at once", async () => {
    const result = await world().run(["up", "--id", "0", "--size", "99", "--mtu", "12"]);
    expectSentence(result, 2, /--id 0.*\n.*--size 99.*\n.*--mtu 12/s);
  });
});

describe("a key file", () => {
  const inKey = (made: World) => join(made.directory, "raft.key");

  it("that is not there is named (2)", async () => {
    const made = world();
    expectSentence(
      await made.run(["status", "--key-file", inKey(made)]),
      2,
      /raft\.key: there is no such key file/,
    );
  });

  it("that cannot be read is named (2)", async () => {
    const made = world();
    mkdirSync(inKey(made));
    expectSentence(
      await made.run(["status", "--key-file", inKey(made)]),
      2,
      /key file cannot be read/,
    );
  });

  it("that holds no key is named (2)", async () => {
    const made = world();
    writeFileSync(inKey(made), "hunter2\n", { mode: 0o600 });
    expectSentence(
      await made.run(["up", "--id", "1", "--key-file", inKey(made)]),
      2,
      /raft\.key: /,
    );
  });

  it("that everybody on the machine can read is refused (8)", async () => {
    const made = world();
    await made.must(["key", "new", "--key-file", inKey(made)]);
    chmodSync(inKey(made), 0o644);
    const sentence = /everybody on this machine can read this key.*chmod 600/;
    expectSentence(await made.run(["up", "--id", "1", "--key-file", inKey(made)]), 8, sentence);
    expectSentence(await made.run(["send", "x", "--key-file", inKey(made)]), 8, sentence);
  });

  it("is never overwritten by a new one (8)", async () => {
    const made = world();
    await made.must(["key", "new", "--key-file", inKey(made)]);
    const before = readFileSync(inKey(made), "utf8");
    expectSentence(await made.run(["key", "new", "--key-file", inKey(made)]), 8, /exists already/);
    expect(readFileSync(inKey(made), "utf8")).toBe(before);
  });

  it("of another key is told apart from no cluster at all (3)", async () => {
    const made = world();
    const [one, other] = [join(made.directory, "one.key"), join(made.directory, "other.key")];
    for (const path of [one, other]) {
      await made.must(["key", "new", "--cluster", made.cluster, "--key-file", path]);
    }
    await made.founded(1, "--key-file", one);
    await made.must(["send", "secret", "--key-file", one]);
    for (const flags of [["--key-file", other], []]) {
      const result = await made.run(["status", ...flags]);
      expectSentence(result, 3, /nobody answers for cluster[^]*with another key[^]*key differs/);
    }
  });
});

describe("no cluster at all", () => {
  it.each([
    [["status"]],
    [["leader"]],
    [["log"]],
    [["members"]],
    [["send", "x"]],
    [["stop", "1"]],
    [["stop", "leader"]],
    [["transfer"]],
  ])("raft %j ends within its timeout (3)", async (words) => {
    const result = await world().run([...words, "--timeout", "700ms"], { timeoutMs: 6_000 });
    expectSentence(result, 3, /nobody answers for cluster[^]*asked [^]*for 0\.\d s[^]*next /);
    expect(result.stderr).toContain(`more time: ${executable} ${words.join(" ")} --timeout 2s`);
    expect(result.elapsedMs).toBeLessThan(2_500);
  });

  it("is an object for programs", async () => {
    const made = world();
    const result = await made.run(["status", "--json", "--timeout", "500ms"]);
    expect(result.code).toBe(3);
    expect(JSON.parse(result.stdout)).toMatchObject({
      error: "nobody answers",
      cluster: made.cluster,
    });
  });

  it("names what is there under other names", async () => {
    const other = world();
    other.up(1);
    const made = world();
    const result = await made.run(["status"]);
    expectSentence(result, 3, /heard /);
    expect(result.stderr).toContain(other.cluster);
    expect(result.stderr).toMatch(new RegExp(`${other.cluster} \\(waiting for nodes 2 and 3\\)`));
  });
});

describe("a typed port that is taken", () => {
  it("ends with 8, a port that was not typed is replaced and said", async () => {
    const socket = createSocket("udp4");
    const port = await new Promise<number>((resolve) => {
      socket.bind(0, "0.0.0.0", () => resolve(socket.address().port));
    });
    try {
      const made = world();
      const result = await made.run(["up", "--id", "1", "--port", String(port)], {
        timeoutMs: 10_000,
      });
      expectSentence(result, 8, new RegExp(`port ${port} cannot be used`));
      const untyped = made.up(1);
      await untyped.waitForLine(/waiting for nodes 2 and 3/);
      expect(await untyped.stop("SIGINT")).toBe(0);
    } finally {
      socket.close();
    }
  });
});

describe("founders that disagree on --size", () => {
  it("keep waiting, and both name both values", async () => {
    const made = world();
    const one = made.up(1);
    const two = made.up(2, "--size", "2");
    const said =
      /was started with --size 2, this one with --size 3 \(the default\)\. Stop one with Ctrl-C/;
    await one.waitForLine(said, 40_000);
    await two.waitForLine(/was started with --size 3.*, this one with --size 2/, 40_000);
    expect([...one.lines, ...two.lines].join("\n")).not.toMatch(/founded cluster/);
  });
});

describe("entries at their limits", () => {
  let made: World;
  beforeAll(async () => {
    made = new World();
    await made.founded(1);
  });
  afterAll(() => made.end());

  it("takes one of 1 MiB and gives it back whole", async () => {
    const entry = "y".repeat(ENTRY_BYTES_MAX);
    const index = JSON.parse(await made.must(["send", "--json", "-"], { stdin: entry }))
      .index as number;
    const span = ["--from", String(index), "--to", String(index)];
    expect(await made.must(["log", "--raw", ...span])).toBe(`${entry}\n`);
  });

  it("refuses one of 1 MiB and a byte, says which line, and keeps what came before it", async () => {
    const stdin = `before\n${"z".repeat(ENTRY_BYTES_MAX + 1)}\nafter\n`;
    const result = await made.run(["send", "-q", "-"], { stdin });
    expectSentence(result, 2, /line 2 is longer than an entry may be \(1048576 bytes\)/);
    expect(result.stderr).toMatch(/In the log: the first 1 entry of the input, at \d+\./);
    const log = await made.must(["log", "-n", "1"]);
    expect(log).toMatch(/^\d+ {2}before\n$/);
  });

  it("takes empty lines as entries", async () => {
    await made.must(["send", "-q", "-"], { stdin: "a\n\nb\n" });
    const log = await made.must(["log", "-n", "3", "--raw"]);
    expect(log).toBe("a\n\nb\n");
  });

  it("gives bytes that are not UTF-8 back as base64 and, with --raw, as they came", async () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => byte !== 10);
    const sent = await made.must(["send", "--json", "-"], { stdin: bytes });
    const index = String((JSON.parse(sent) as { index: number }).index);
    const span = ["--from", index, "--to", index];
    const shown = JSON.parse(await made.must(["log", "--json", ...span])) as Record<
      string,
      unknown
    >;
    expect(shown).not.toHaveProperty("entry");
    expect(Buffer.from(String(shown["base64"]), "base64")).toEqual(Buffer.from(bytes));
    const raw = spawnSync(executable, ["log", "--raw", ...span], {
      env: made.env,
      timeout: 10_000,
    });
    expect(raw.stdout).toEqual(Buffer.concat([bytes, Uint8Array.of(10)]));
    // A person's terminal gets nothing that it could take for an order.
    expect(await made.must(["log", ...span])).toMatch(/^\d+ {2}[\x20-\x7e]*\n$/);
  });

  it("gives text of many scripts back as it came", async () => {
    const text = "naïve ação 日本語 🜁 \"quoted\" 'single' \\ back $HOME";
    const index = /^\d+/.exec(await made.must(["send", text]))?.[0] ?? "";
    const shown = await made.must(["log", "--json", "--from", index, "--to", index]);
    expect(JSON.parse(shown)).toMatchObject({ entry: text });
  });
});

describe("a cluster that is not there yet", () => {
  it("refuses entries with 4, safe to send again, and status says whom it waits for", async () => {
    const made = world();
    await made.up(1).waitForLine(/waiting for nodes 2 and 3/);
    const sent = await made.run(["send", "x", "--timeout", "1s"]);
    expectSentence(
      sent,
      4,
      /not added: node 1 answers but cluster .* is not founded yet and waits for nodes 2 and 3\. Safe to send again/,
    );
    const status = await made.run(["status", "--check"]);
    expect(status.code).toBe(4);
    expect(status.stdout).toMatch(/not founded: .* waits for nodes 2 and 3/);
  });

  it("counts --size at founding only: later another value is one sentence", async () => {
    const { world: made, nodes } = await cluster(1);
    expect(await nodes[0]?.stop()).toBe(0);
    const again = made.up(1, "--size", "3");
    await again.waitForLine(/ready:/);
    expect(again.lines.filter((line) => /--size/.test(line))).toHaveLength(1);
  });
});
