import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { Fleet } from "../src/fleet.ts";
import { ServerProcess } from "../src/processes.ts";
import { RoundRobin } from "../src/round-robin.ts";

const here = (file: string) => fileURLToPath(new URL(`../test/${file}`, import.meta.url));
const serve = (port: number) => ({ command: process.execPath, args: [here("small-server.ts"), String(port)] });

async function startFleet(size: number) {
  const fleet = await Fleet.start({ size, env: {}, serve });
  onTestFinished(() => fleet[Symbol.asyncDispose]());
  const balancer = await RoundRobin.start(() => fleet.live.map((member) => member.address));
  onTestFinished(() => balancer[Symbol.asyncDispose]());
  return { fleet, balancer };
}

function exists(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

test("a process is started when its line appears, and gone when it was killed", async () => {
  const server = await ServerProcess.start({ ...serve(0), ready: /^listening$/ });
  expect(server.readyLine).toBe("listening");
  await server.kill();
  expect(server.running).toBe(false);
  expect(exists(server.pid ?? 0)).toBe(false);
});

test("a process that ends before it is ready is an error that shows what it said", async () => {
  const command = process.execPath;
  const args = ["--eval", "console.error('no table'); process.exit(3)"];
  await expect(ServerProcess.start({ command, args, ready: /listening/ })).rejects.toThrow(
    /ended before it was ready. It said:\nno table/,
  );
});

test("a command that does not exist is an error", async () => {
  await expect(ServerProcess.start({ command: "/nowhere/at-all", args: [], ready: /./ })).rejects.toThrow(
    /ended before/,
  );
});

test("a process that never becomes ready is killed", async () => {
  const args = ["--eval", "console.error(process.pid); setInterval(() => {}, 1000)"];
  const started = ServerProcess.start({
    command: process.execPath,
    args,
    ready: /listening/,
    readyTimeoutMilliseconds: 500,
  });
  const message = await started.catch((error: Error) => error.message);
  expect(message).toMatch(/was not ready in time/);
  const pid = Number(/\n(\d+)$/.exec(String(message))?.[1]);
  expect(pid).toBeGreaterThan(0);
  expect(exists(pid)).toBe(false);
});

test("requests go to the live members in turn, and to a replacement on another port after a kill", async () => {
  const { fleet, balancer } = await startFleet(3);
  const served = async () => {
    const response = await fetch(balancer.address, { method: "POST", body: "echo" });
    expect(await response.text()).toBe("echo");
    return Number(response.headers.get("x-pid"));
  };
  const before = fleet.live.map((member) => member.process.pid);
  expect([await served(), await served(), await served(), await served()]).toEqual([...before, before[0]]);

  const [victim] = fleet.live;
  if (victim === undefined) throw new Error("The fleet is empty.");
  const next = await fleet.replace(victim);
  expect(next.address).not.toBe(victim.address);
  const after = [await served(), await served(), await served()];
  expect(after).toContain(next.process.pid);
  expect(after).not.toContain(victim.process.pid);
});

test("a rolling restart drains the old member and leaves the fleet at its size", async () => {
  const { fleet } = await startFleet(2);
  const [old] = fleet.live;
  if (old === undefined) throw new Error("The fleet is empty.");
  await fleet.roll(old);
  expect(old.process.exitCode).toBe(0);
  expect(fleet.live).toHaveLength(2);
});

test("a paused member answers once it is resumed", async () => {
  const { fleet, balancer } = await startFleet(1);
  const [member] = fleet.live;
  member?.process.pause();
  const refused = fetch(balancer.address, { signal: AbortSignal.timeout(200) });
  await expect(refused).rejects.toThrow(/timeout/);
  const answer = fetch(balancer.address);
  member?.process.resume();
  expect((await answer).status).toBe(200);
});

test("streams pass through at once and break when their member is killed", async () => {
  const { fleet, balancer } = await startFleet(1);
  const response = await fetch(`${balancer.address}/stream`);
  const reader = response.body?.getReader();
  const first = await reader?.read();
  expect(new TextDecoder().decode(first?.value)).toBe("data: first\n\n");
  await fleet.live[0]?.process.kill();
  await expect(reader?.read()).rejects.toThrow();
  expect((await fetch(balancer.address)).status).toBe(503);
});

test("what a killed run had started is killed too", async () => {
  const command = process.execPath;
  const parent = await ServerProcess.start({ command, args: [here("abandoned-parent.ts")], ready: /^started \d+$/ });
  const orphan = Number(parent.readyLine.split(" ")[1]);
  expect(exists(orphan)).toBe(true);
  await parent.kill();
  await expect.poll(() => exists(orphan), { timeout: 100_000 }).toBe(false);
});
