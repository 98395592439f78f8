/** The five mishaps of identity, each at random instants; each throws when a promise broke. */
import { join } from "node:path";
import type { Random } from "../../src/base/random.ts";
import type { NodeId } from "../../src/base/types.ts";
import { freePort, type Running, sleep, until } from "../e2e/world.ts";
import { Stage } from "./identity-stage.ts";

const SAY_MS = 40_000;
const SETTLE_MS = 90_000;
const FENCED = /is known by other data than this machine has/;
const TWO_FOUNDINGS = /two foundings of cluster .* meet/;
const LET_IN = /this node is a voter now/;
const ANOTHER = /another cluster \S+ is on this network: node \d/;
const OLDER = /still belongs to an older cluster/;

export type Mishap = (random: Random) => Promise<void>;

export const MISHAPS: Readonly<Record<string, Mishap>> = {
  "wiped disk": onStage(wipedDisk),
  "doubled id": onStage(doubledId),
  "foreign cluster": foreignCluster,
  "all at once": onStage(allAtOnce),
  "founder wiped": onStage(founderWiped),
};

/** A member's disk is replaced by an empty one while entries come in: the newcomer is told so, has
 *  no vote, and is let back in by an operator. */
async function wipedDisk(stage: Stage, random: Random): Promise<void> {
  await found(stage, 3);
  for (let sends = upTo(3, random); sends >= 0; sends--) await stage.mustSend();
  const id = 1 + upTo(3, random);
  const meanwhile = stage.send();
  await sleep(random() * 150);
  await stage.wipe(id);
  const fresh = stage.up(id);
  await fresh.waitForLine(FENCED, SAY_MS);
  await meanwhile;
  await stage.mustSend();
  Stage.checkSaid(fresh, new RegExp(`members replace ${id}\\b`));
  const voted = fresh.lines.find((line) => /this node leads|\bready:/.test(line));
  if (voted !== undefined) throw new Error(`a wiped node takes part: ${voted}`);
  // Leaders may change meanwhile: an operator types it again until the newcomer is in.
  await until(
    "the newcomer is let in",
    async () =>
      says(fresh, LET_IN) ||
      (await stage.world.run(["members", "replace", String(id)])).code === 0 ||
      says(fresh, LET_IN),
    SAY_MS,
  );
  await fresh.waitForLine(LET_IN, SAY_MS);
  await stage.mustSend();
  await stage.healthy();
  await stage.checkLog();
  stage.checkOneCluster();
}

/** A second process claims an id: the id of a member, or that of a founder before the founding. */
async function doubledId(stage: Stage, random: Random): Promise<void> {
  const id = 1 + upTo(3, random);
  const elsewhere = ["--data-dir", join(stage.world.directory, "elsewhere")];
  const said = [
    new RegExp(`node ${id} of cluster \\S+ is already running: .*, since`),
    /Each machine needs its own id|each machine needs its own id/i,
    /--cluster NAME/,
  ];
  if (random() < 0.5) {
    await found(stage, 3);
    await stage.mustSend();
    const meanwhile = stage.send();
    await sleep(random() * 200);
    const original = stage.node(id);
    await Stage.checkRefused(stage.up(id, elsewhere), ...said);
    stage.nodes.set(id, original);
    await meanwhile;
  } else {
    const others = [1, 2, 3].filter((each) => each !== id);
    const one = stage.up(id);
    await sleep(random() * 600);
    for (const other of others.slice(0, upTo(3, random))) stage.up(other);
    await sleep(random() * 600);
    const two = stage.up(id, elsewhere);
    const loser = await Promise.race([one.exited.then(() => one), two.exited.then(() => two)]);
    await Stage.checkRefused(loser, ...said);
    stage.nodes.set(id, loser === one ? two : one);
    for (const other of others) if (!stage.nodes.has(other)) stage.up(other);
    // Whoever signed with the one that ended and with the one that stayed say so, and are followed.
    await until("the founding ends, or says how to end it", () => settled(stage), SETTLE_MS, 200);
    stage.checkOneCluster();
    await follow(stage);
  }
  await stage.mustSend();
  for (const running of stage.nodes.values())
    if (!running.isRunning) throw new Error("a rightful node ended");
  await stage.healthy();
  await stage.checkLog();
  stage.checkOneCluster();
}

/** Another cluster of the same name, founded elsewhere, comes to this network: nobody changes
 *  sides, and clients refuse to choose. */
async function foreignCluster(random: Random): Promise<void> {
  const here = new Stage();
  const there = new Stage(here.world.cluster);
  try {
    const apart = { env: { RAFT_MULTICAST_PORT: String(await freePort()) } };
    for (const id of [4, 5, 6]) there.up(id, ["--voters", "4,5,6"], apart);
    await Promise.all([found(here, 3), there.ready()]);
    for (let sends = upTo(3, random); sends >= 0; sends--) await here.mustSend();
    await there.mustSend(apart);
    await Promise.all([4, 5, 6].map((id) => there.node(id).stop()));
    await sleep(random() * 300);
    for (const id of [4, 5, 6].slice(upTo(3, random))) there.up(id, ["--voters", "4,5,6"]);
    await until(
      "a client refuses to choose",
      async () => {
        const { code, stderr } = await here.world.run(["status", "--timeout", "3s"]);
        return code === 8 && /two clusters are named/.test(stderr) && /another name/.test(stderr);
      },
      SAY_MS,
      200,
    );
    await Promise.any([1, 2, 3].map((id) => here.node(id).waitForLine(ANOTHER, SAY_MS)));
    await Promise.all([4, 5, 6].map((id) => there.node(id).stop()));
    await here.mustSend();
    await here.healthy();
    await here.checkLog();
    here.checkOneCluster();
    checkAdvice(here);
    checkAdvice(there);
    await Promise.all([1, 2, 3].map((id) => here.node(id).stop()));
    for (const id of [4, 5, 6]) there.up(id, ["--voters", "4,5,6"], apart);
    await there.ready();
    await there.mustSend(apart);
    await there.checkLog(apart);
    there.checkOneCluster();
    const [one] = here.clusterIds();
    if (one === undefined || there.clusterIds().includes(one)) throw new Error("the two are one");
  } catch (error) {
    throw withTranscript(error, here, there);
  } finally {
    await here.end();
    await there.end();
  }
}

/** Nobody is told to wipe a member. */
function checkAdvice(stage: Stage): void {
  const lines = stage.started.flatMap(({ running }) => running.lines);
  const wipe = lines.find((line) => /Nobody is a member yet|may be wiped/.test(line));
  if (wipe !== undefined) throw new Error(`advice to wipe a member: ${wipe}`);
}

/** All are started within a moment, in any order, and some crash in it. */
async function allAtOnce(stage: Stage, random: Random): Promise<void> {
  const size = random() < 0.5 ? 3 : 5;
  const ids = Array.from({ length: size }, (_, at) => at + 1);
  const jitterMs = random() < 0.5 ? 5 : 80;
  await Promise.all(
    ids.map(async (id) => {
      await sleep(random() * jitterMs);
      stage.up(id, ["--size", String(size)]);
      if (random() < 0.6) return;
      await sleep(random() * 1_500);
      await stage.node(id).kill();
      stage.up(id, ["--size", String(size)]);
    }),
  );
  await stage.ready();
  await stage.mustSend();
  await stage.healthy();
  await stage.checkLog();
  stage.checkOneCluster();
}

/** A founder loses its disk between any two datagrams of the founding, once or twice. Whatever the
 *  nodes advise leads to one cluster. */
async function founderWiped(stage: Stage, random: Random): Promise<void> {
  for (const id of [1, 2, 3]) stage.up(id);
  for (let wipes = 1 + upTo(2, random); wipes > 0; wipes--) {
    await sleep(random() * 900);
    const id = 1 + upTo(3, random);
    await stage.wipe(id);
    stage.up(id);
  }
  await until("the founding ends, or says how to end it", () => settled(stage), SETTLE_MS, 200);
  stage.checkOneCluster();
  await follow(stage);
  await stage.mustSend();
  await stage.healthy();
  await stage.checkLog();
}

/** Everybody takes part, or somebody says why not. */
function settled(stage: Stage): boolean {
  const nodes = [...stage.nodes.values()];
  return (
    nodes.every((node) => says(node, /\bready:/)) ||
    nodes.some((node) => [FENCED, TWO_FOUNDINGS, OLDER].some((pattern) => says(node, pattern)))
  );
}

/** Types what the nodes say is to be typed, until all take part. */
async function follow(stage: Stage): Promise<void> {
  const followed = new Set<Running>();
  await until(
    "what the nodes advise leads to a cluster of all",
    async () => {
      for (const [id, node] of [...stage.nodes]) {
        if (followed.has(node)) continue;
        if (says(node, TWO_FOUNDINGS)) {
          followed.add(node);
          await renew(stage, id);
        } else if (says(node, FENCED)) {
          const done = await stage.world.run(["members", "replace", String(id)]);
          if (done.code === 0) followed.add(node);
        } else if (says(node, OLDER)) {
          followed.add(node);
          const older = /\braft wipe (\d+)/.exec(node.lines.join("\n"))?.[1];
          if (older !== undefined) await renew(stage, Number(older));
        }
      }
      return [...stage.nodes.values()].every((node) => says(node, /\bready:|is a voter now/));
    },
    SETTLE_MS,
    300,
  );
}

async function renew(stage: Stage, id: NodeId): Promise<void> {
  await stage.node(id).stop();
  await stage.world.must(["wipe", String(id), "--yes"]);
  stage.up(id);
}

function says(running: Running, pattern: RegExp): boolean {
  return running.lines.some((line) => pattern.test(line));
}

async function found(stage: Stage, size: number): Promise<void> {
  for (let id = 1; id <= size; id++) stage.up(id);
  await stage.ready();
}

function onStage(mishap: (stage: Stage, random: Random) => Promise<void>): Mishap {
  return async (random) => {
    const stage = new Stage();
    try {
      await mishap(stage, random);
    } catch (error) {
      throw withTranscript(error, stage);
    } finally {
      await stage.end();
    }
  };
}

function withTranscript(error: unknown, ...stages: readonly Stage[]): Error {
  const said = stages.map((stage) => stage.transcript()).join("\n  ==\n");
  return new Error(`${error instanceof Error ? error.message : String(error)}\n${said}`);
}

/** 0 to `count` - 1. */
function upTo(count: number, random: Random): number {
  return Math.floor(random() * count);
}
