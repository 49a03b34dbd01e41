// `npm run dev` of a created project: the template's script and command, beside a server that says which text of the app it runs.
import { spawn } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it, onTestFinished } from "vitest";
import { type Running, temporaryDirectory, watch } from "./process.ts";

const TEMPLATE = fileURLToPath(new URL("../template", import.meta.url));
const SERVER = `
import { text } from "./tools/app.ts";
process.once("SIGTERM", () => { console.error("stopped " + text); process.exit(); });
setInterval(() => {}, 60_000);
console.error("serves " + text + " " + process.argv.slice(2));
`;

/** Starts it in a project of its own, whose app is in a folder within the sources. */
function startDev(): Running & { app: string } {
  const folder = temporaryDirectory();
  cpSync(join(TEMPLATE, "src/dev.ts"), join(folder, "src/dev.ts"));
  const app = join(folder, "src/tools/app.ts");
  mkdirSync(dirname(app));
  const { type, scripts } = JSON.parse(readFileSync(join(TEMPLATE, "package.json"), "utf8"));
  writeFileSync(join(folder, "package.json"), JSON.stringify({ type }));
  writeFileSync(join(folder, "src/server.ts"), SERVER);
  writeFileSync(app, textOf("first"));
  const PATH = `${dirname(process.execPath)}:${process.env.PATH}`;
  const child = spawn("sh", ["-c", `exec ${scripts.dev} --port 4000`], { cwd: folder, env: { PATH }, detached: true });
  onTestFinished(() => {
    if (child.exitCode === null && child.signalCode === null) process.kill(-child.pid!, "SIGKILL");
  });
  return { ...watch(child), app };
}

const textOf = (word: string): string => `export const text: string = "${word}";\n`;

/** As many editors do, so that a crash leaves the old text or the new one. */
function saveByRenaming(file: string, text: string): void {
  writeFileSync(`${file}~`, text);
  renameSync(`${file}~`, file);
}

it("serves the new code after each save of an editor that renames, and the old server has stopped before", async () => {
  const { app, child, ended, logged } = startDev();
  await logged(/serves first serve,--port,4000/);
  for (const [before, word] of [
    ["first", "second"],
    ["second", "third"],
    ["third", "fourth"],
  ]) {
    saveByRenaming(app, textOf(word!));
    await logged(new RegExp(`stopped ${before}[^]*serves ${word} `));
  }
  child.kill("SIGTERM");
  expect(await ended).toMatchObject({ code: 0, stderr: expect.stringMatching(/stopped fourth\n$/) });
});

it("waits for the next change where the code has a mistake", async () => {
  const { app, child, ended, logged } = startDev();
  await logged(/serves first /);
  writeFileSync(app, "export const text: = 1;\n");
  await logged(/SyntaxError/);
  writeFileSync(app, textOf("repaired"));
  await logged(/serves repaired /);
  child.kill("SIGINT");
  expect((await ended).code).toBe(0);
});
