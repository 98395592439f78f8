/** Discovery between two machines, here two network namespaces with a cable between them: with
 *  multicast, with broadcast only, and through a firewall that drops everything unasked. Needs
 *  root, ip and nft. */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { DiscoveryReport } from "../../src/discovery/types.ts";
import { eventually } from "./discovery-world.ts";

/** For programs that run beside this one. */
const WORLD = new URL("discovery-world.ts", import.meta.url).pathname;

const sides = [`raft-a-${process.pid}`, `raft-b-${process.pid}`] as const;
const hosts = ["10.83.0.1", "10.83.0.2"] as const;

function run(command: string): boolean {
  const [program = "", ...args] = command.split(" ");
  return spawnSync(program, args, { stdio: "ignore", timeout: 10_000 }).status === 0;
}

function whyNot(): string | null {
  if (process.getuid?.() !== 0) return "not root";
  const missing = ["ip", "nft"].filter(
    (tool) => spawnSync(tool, ["-V"], { stdio: "ignore" }).error !== undefined,
  );
  if (missing.length > 0) return `no ${missing.join(", no ")}`;
  const probe = `raft-probe-${process.pid}`;
  if (!run(`ip netns add ${probe}`)) return "network namespaces are not allowed here";
  const usable = run(`ip netns exec ${probe} nft list ruleset`);
  run(`ip netns del ${probe}`);
  return usable ? null : "nft does not work here";
}

const skipped = whyNot();
if (skipped !== null)
  console.warn(`discovery between network namespaces is not tested: ${skipped}`);

interface Side {
  readonly process: ChildProcess;
  report: DiscoveryReport | null;
}

const running: Side[] = [];

/** A node in one of the namespaces that asks all the time and says what it has heard. */
function startNode(side: 0 | 1, peers: readonly string[] = []): Side {
  const program = `
    import { beaconOf, openVoice } from "${WORLD}";
    const options = { loopbackOnly: false, peers: ${JSON.stringify(peers)} };
    const { discovery } = await openVoice(7400, () => beaconOf(${side + 1}), options);
    const timer = setInterval(() => {
      discovery.query();
      process.stdout.write(JSON.stringify(discovery.report()) + "\\n");
    }, 300);
    process.stdin.on("end", () => (clearInterval(timer), void discovery.close())).resume();
  `;
  const child = spawn("ip", ["netns", "exec", sides[side], process.execPath, "-e", program], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const node: Side = { process: child, report: null };
  let text = "";
  child.stdout.on("data", (chunk: Buffer) => {
    const lines = (text + chunk.toString()).split("\n");
    text = lines.pop() ?? "";
    const last = lines.at(-1);
    if (last !== undefined) node.report = JSON.parse(last) as DiscoveryReport;
  });
  running.push(node);
  return node;
}

function hears(node: Side, id: number): boolean {
  return (
    node.report?.heard.some(
      ({ beacon, address }) => beacon.id === id && address.host === hosts[id - 1],
    ) ?? false
  );
}

function filter(side: 0 | 1, ...rules: readonly string[]): void {
  const nft = (command: string): void => {
    if (!run(`ip netns exec ${sides[side]} nft ${command}`)) throw new Error(`nft ${command}`);
  };
  nft("add table inet t");
  nft("add chain inet t input { type filter hook input priority 0 ; policy accept ; }");
  for (const rule of rules) nft(`add rule inet t input ${rule}`);
}

describe.skipIf(skipped !== null)("between two machines", () => {
  beforeAll(() => {
    const ends = [`ra${process.pid}`, `rb${process.pid}`];
    for (const side of sides) run(`ip netns add ${side}`);
    run(`ip link add ${ends[0]} type veth peer name ${ends[1]}`);
    for (const [at, side] of sides.entries()) {
      run(`ip link set ${ends[at]} netns ${side}`);
      run(`ip -n ${side} addr add ${hosts[at]}/24 brd + dev ${ends[at]}`);
      run(`ip -n ${side} link set ${ends[at]} up`);
      run(`ip -n ${side} link set lo up`);
    }
  });

  afterEach(async () => {
    const ended = running.splice(0).map(({ process: child }) => {
      const exit = new Promise((resolve) => child.on("exit", resolve));
      child.stdin?.end();
      return exit;
    });
    await Promise.all(ended);
    for (const side of sides) run(`ip netns exec ${side} nft flush ruleset`);
  });

  afterAll(() => {
    for (const side of sides) run(`ip netns del ${side}`);
  });

  it("nodes find each other by multicast, and hear themselves", async () => {
    const [a, b] = [startNode(0), startNode(1)];
    expect(
      await eventually(
        () => hears(a, 2) && hears(b, 1),
        () => {},
        15_000,
      ),
    ).toBe(true);
    expect(a.report).toMatchObject({ interfaces: [hosts[0], "127.0.0.1"], deaf: [], problems: [] });
  }, 30_000);

  it("nodes find each other by broadcast where multicast is dropped, and know it", async () => {
    for (const side of [0, 1] as const) filter(side, "ip daddr 239.255.82.70 iifname != lo drop");
    const [a, b] = [startNode(0), startNode(1)];
    expect(
      await eventually(
        () => hears(a, 2) && hears(b, 1),
        () => {},
        15_000,
      ),
    ).toBe(true);
    expect(a.report?.ways).toEqual(["multicast", "broadcast"]);
    const deaf = (node: Side, host: string): boolean => node.report?.deaf.join() === host;
    expect(
      await eventually(
        () => deaf(a, hosts[0]) && deaf(b, hosts[1]),
        () => {},
        15_000,
      ),
    ).toBe(true);
  }, 30_000);

  it("a node whose firewall drops everything unasked is answered, and knows that it is deaf", async () => {
    filter(0, "ct state established,related accept", "iifname lo accept", "drop");
    const a = startNode(0, [hosts[1]]);
    const b = startNode(1);
    expect(
      await eventually(
        () => hears(a, 2) && hears(b, 1),
        () => {},
        15_000,
      ),
    ).toBe(true);
    expect(
      await eventually(
        () => a.report?.deaf.includes(hosts[0]) ?? false,
        () => {},
        15_000,
      ),
    ).toBe(true);
    expect(a.report?.deaf).toEqual([hosts[0]]);
  }, 40_000);
});
