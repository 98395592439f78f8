/** The harness itself, tried on a program that is surely there: the runtime. */
import { spawn } from "node:child_process";
import { describe, expect, it } from "vitest";
import { Running, until } from "./harness.ts";

function runtime(program: string): Running {
  return new Running(spawn(process.execPath, ["-e", program], { stdio: "pipe" }));
}

describe("the harness", () => {
  it("sees a line that came before it asked, and one that comes later", async () => {
    const running = runtime("console.log('one'); setTimeout(() => console.log('two'), 50)");
    expect((await running.waitForLine(/^(on)e/))[1]).toBe("on");
    await running.waitForLine(/^two/);
    await running.waitForLine(/^one/);
    expect((await running.exited).code).toBe(0);
  });

  it("says what was printed when a line does not come", async () => {
    const running = runtime("console.error('something else')");
    await expect(running.waitForLine(/never/)).rejects.toThrow(/process ended.*something else/s);
  });

  it("ends a program that refuses to stop", async () => {
    const running = runtime(
      "process.on('SIGTERM', () => {}); console.log('up'); setInterval(() => {}, 9)",
    );
    await running.waitForLine(/up/);
    expect(await running.stop("SIGTERM", 200)).toBeNull();
    expect(() => process.kill(running.pid, 0)).toThrow();
  });

  it("waits for a condition and names it when time is over", async () => {
    let calls = 0;
    expect(await until("a third call", () => ++calls === 3 && "yes", 1000, 1)).toBe("yes");
    await expect(until("the moon", () => false, 20, 5)).rejects.toThrow(/the moon/);
  });
});
