/** A disk that was replaced by an older copy of itself, in real processes: noticed, told, shown and
 *  made good by what the screen says to type. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { golden } from "./golden.ts";
import { cluster, until } from "./harness.ts";

it("a node whose log is replaced by an older one says so, does not vote, and is let in again", async () => {
  const { world: made, nodes } = await cluster(3);
  await made.must(["send", "one", "two"]);
  const { id: leader } = JSON.parse(await made.must(["leader", "--json"])) as { id: number };
  const [id, other] = [1, 2, 3].filter((at) => at !== leader) as [number, number];
  const [member, third, leads] = [id, other, leader].map((at) => nodes[at - 1]);
  if (member === undefined || third === undefined || leads === undefined) throw new Error();
  const directory = join(made.directory, "state", "raft", made.cluster, String(id));
  const files = readdirSync(directory).filter((name) => /\.log$|^hardstate$/.test(name));
  const older = files
    .map((name) => join(directory, name))
    .map((path) => ({ path, bytes: readFileSync(path) }));
  // With the third one away nothing is committed that this node did not acknowledge.
  await third.stop();
  await made.must(["send", "three", "four"]);
  await made.up(other).waitForLine(/ready:/);
  await member.kill();
  for (const { path, bytes } of older) writeFileSync(path, bytes);

  const back = made.up(id);
  await back.waitForLine(/this disk lost entr.*, which this node had acknowledged/);
  await leads.waitForLine(new RegExp(`the disk of node ${id}.* lost entr.*That node stops voting`));
  const shown = await until("status shows it", async () => {
    const text = golden((await made.run(["status"])).stdout, made);
    return text.includes("does not vote") ? text : undefined;
  });
  expect(shown).toMatch(/degraded: .*2 of 3 voters.*can lose none/);
  const advice = `wipe ${id}, then .*up --id ${id}\\n.*members replace ${id}`;
  expect(shown).toMatch(
    new RegExp(`node ${id} does not vote: this disk lost entr.*\\n.*${advice}`),
  );
  await made.must(["send", "five"]);

  await back.stop();
  await made.must(["wipe", String(id), "--yes"]);
  const renewed = made.up(id);
  await renewed.waitForLine(/is known by other data than this machine has/);
  await made.must(["members", "replace", String(id)]);
  await until("three voters", async () => (await made.run(["status", "--check"])).code === 0);
  expect(await made.must(["log", "--raw", "--node", String(id)])).toBe(
    "one\ntwo\nthree\nfour\nfive\n",
  );
});
