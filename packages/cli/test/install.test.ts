// The real command on real files. What it enters is started by the test of the tarball.
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { launchPacked } from "../src/install/launch.ts";
import { run, temporaryDirectory } from "./process.ts";

const BEFORE = `{
  "mcpServers": {
    "other": { "command": "x", "env": { "KEY": "secret" } }
  },
  "theme": "dark"
}
`;

/** A configuration to write to, and a packed file, so that no build is needed. */
function prepare(text?: string) {
  const folder = temporaryDirectory();
  const tarball = join(folder, "stateful-mcp.tgz");
  writeFileSync(tarball, "");
  const file = join(folder, "config", "mcp.json");
  mkdirSync(join(folder, "config"));
  if (text !== undefined) writeFileSync(file, text, { mode: 0o600 });
  const install = (...flags: string[]) => run(["install", "cursor", "--path", file, "--tarball", tarball, ...flags]);
  return { folder, file, tarball, install, text: () => readFileSync(file, "utf8") };
}

describe("install", () => {
  it("shows the difference, writes it with --yes, keeps a backup, and --undo puts that back", async () => {
    const { file, tarball, install, text } = prepare(BEFORE);
    const { code, stdout, stderr } = await install("--yes");
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toContain('+    "memory": {');
    expect(stdout).toContain(`${file}.before-stateful-mcp`);
    expect(JSON.parse(text())).toEqual({
      ...JSON.parse(BEFORE),
      mcpServers: { ...JSON.parse(BEFORE).mcpServers, memory: JSON.parse(JSON.stringify(launchPacked(tarball))) },
    });
    expect(text()).toContain('    "other": { "command": "x", "env": { "KEY": "secret" } }');
    expect(readFileSync(`${file}.before-stateful-mcp`, "utf8")).toBe(BEFORE);
    for (const written of [file, `${file}.before-stateful-mcp`]) expect(statSync(written).mode & 0o777).toBe(0o600);

    const undone = await install("--undo", "--yes");
    expect(undone.code).toBe(0);
    expect(undone.stdout).toContain('-    "memory": {');
    expect(text()).toBe(BEFORE);
    expect(existsSync(`${file}.before-stateful-mcp`)).toBe(false);
    expect(await install("--undo", "--yes")).toMatchObject({ code: 2, stdout: "" });
  });

  it("does nothing the second time, and leaves the backup of the first", async () => {
    const { file, install, text } = prepare(BEFORE);
    await install("--yes");
    const once = text();
    const again = await install("--yes");
    expect([again.code, again.stdout]).toEqual([0, expect.stringContaining("nothing to change")]);
    expect(text()).toBe(once);
    expect(readFileSync(`${file}.before-stateful-mcp`, "utf8")).toBe(BEFORE);
  });

  it("writes nothing with --dry-run, and nothing without a yes", async () => {
    const { file, install, text } = prepare(BEFORE);
    const [dry, unasked] = [await install("--dry-run"), await install()];
    expect([dry.code, unasked.code]).toEqual([0, 2]);
    for (const { stdout } of [dry, unasked]) expect(stdout).toContain('+    "memory": {');
    expect(unasked.stderr).toContain("--yes");
    expect(text()).toBe(BEFORE);
    expect(existsSync(`${file}.before-stateful-mcp`)).toBe(false);
  });

  it("makes a missing file, and --undo removes it", async () => {
    const { file, install, text } = prepare();
    expect(await install("--yes")).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(`${file}, which is new.`),
    });
    expect(Object.keys(JSON.parse(text()))).toEqual(["mcpServers"]);
    expect((await install("--undo", "--yes")).code).toBe(0);
    expect(readdirSync(join(file, ".."))).toEqual([]);
  });

  it("writes through no link that a folder of another's holds under its names, and reads none", async () => {
    const { folder, file, install, text } = prepare(BEFORE);
    const elsewhere = join(folder, "elsewhere");
    writeFileSync(elsewhere, "mine");
    symlinkSync(elsewhere, `${file}.before-stateful-mcp`);
    expect(await install("--undo", "--yes")).toMatchObject({ code: 2, stdout: "" });
    expect(text()).toBe(BEFORE);
    expect((await install("--yes")).code).toBe(0);
    expect(readFileSync(elsewhere, "utf8")).toBe("mine");
    expect(lstatSync(`${file}.before-stateful-mcp`).isSymbolicLink()).toBe(false);
    expect(readFileSync(`${file}.before-stateful-mcp`, "utf8")).toBe(BEFORE);
    expect((await install("--undo", "--yes")).code).toBe(0);
    expect(text()).toBe(BEFORE);
  });

  it("writes out what would hide a part of the difference from a person at a terminal", async () => {
    const { install } = prepare(`{\r\n  // \u001b[2J\u202e\r\n  "mcpServers": {}\r\n}\r\n`);
    const { stdout } = await install("--dry-run");
    expect(stdout).toContain(`${String.raw`  // \u001b[2J\u202e`}\n`);
  });

  it("leaves a broken configuration alone and says where it is broken", async () => {
    const { file, install, text } = prepare('{\n  "mcpServers": {,\n');
    const { code, stderr } = await install("--yes");
    expect(code).toBe(2);
    expect(stderr).toContain(`${file} cannot be changed. It is not valid JSON`);
    expect(text()).toBe('{\n  "mcpServers": {,\n');
  });

  it("writes through a link, which stays one", async () => {
    const { folder, file, tarball } = prepare(BEFORE);
    const link = join(folder, "link.json");
    symlinkSync(file, link);
    expect((await run(["install", "cursor", "--path", link, "--tarball", tarball, "--yes"])).code).toBe(0);
    expect(readFileSync(link, "utf8")).toContain("memory");
    expect(readFileSync(file, "utf8")).toContain("memory");
  });

  it("finds the client's own file", async () => {
    const { tarball } = prepare();
    const home = temporaryDirectory();
    const { code, stdout } = await run(["install", "vscode", "--tarball", tarball, "--dry-run"], {
      env: { HOME: home, XDG_CONFIG_HOME: join(home, "xdg") },
    });
    expect(code).toBe(0);
    if (process.platform === "linux") expect(stdout).toContain(join(home, "xdg", "Code", "User", "mcp.json"));
    expect(stdout).toContain('"servers"');
  });

  it("enters the built program, or the command line of a clone in which none is built", async () => {
    const { file } = prepare(BEFORE);
    const { code, stdout } = await run(["install", "cursor", "--path", file, "--dry-run"]);
    expect(code).toBe(0);
    const built = fileURLToPath(new URL("../dist/main.js", import.meta.url));
    expect(stdout).toContain(
      existsSync(built) ? built : fileURLToPath(new URL("../../../bin/stateful-mcp", import.meta.url)),
    );
  });

  it("names the clients and ends with 2 when none is given", async () => {
    const { code, stderr } = await run(["install"]);
    expect(code).toBe(2);
    for (const client of ["claude", "claude-code", "cursor", "vscode", "cline", "gemini", "goose"])
      expect(stderr).toContain(client);
  });

  it("ends with 2 for a client or a packed file that does not exist", async () => {
    const { file } = prepare(BEFORE);
    const [client, tarball] = await Promise.all([
      run(["install", "emacs"]),
      run(["install", "cursor", "--path", file, "--tarball", `${file}.tgz`, "--yes"]),
    ]);
    expect([client.code, tarball.code]).toEqual([2, 2]);
    expect(client.stderr).toContain("claude, claude-code, cursor, vscode, cline, gemini, goose");
  });
});
