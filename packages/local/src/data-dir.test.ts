import { chmod, chown, mkdtemp, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { defaultDataDir, isPrivate, prepareDataDir } from "./data-dir.ts";
import { LocalEngineError } from "./errors.ts";
import { chooseSocketPath } from "./socket-path.ts";

let scratch: string;
beforeEach(async () => {
  scratch = await mkdtemp(join(tmpdir(), "local-"));
});
afterEach(() => rm(scratch, { recursive: true, force: true }));

describe("defaultDataDir", () => {
  test("follows XDG_DATA_HOME on Linux, and ignores a relative one", () => {
    expect(defaultDataDir({ HOME: "/home/a", XDG_DATA_HOME: "/data" }, undefined, "linux")).toBe("/data/stateful-mcp");
    expect(defaultDataDir({ HOME: "/home/a", XDG_DATA_HOME: "data" }, undefined, "linux")).toBe(
      "/home/a/.local/share/stateful-mcp",
    );
    expect(defaultDataDir({ HOME: "/home/a" }, undefined, "linux")).toBe("/home/a/.local/share/stateful-mcp");
  });

  test("follows the conventions of macOS and Windows", () => {
    expect(defaultDataDir({ HOME: "/Users/a" }, undefined, "darwin")).toBe(
      "/Users/a/Library/Application Support/stateful-mcp",
    );
    expect(defaultDataDir({ LOCALAPPDATA: "C:\\Users\\a\\AppData\\Local" }, undefined, "win32")).toBe(
      "C:\\Users\\a\\AppData\\Local\\stateful-mcp",
    );
    expect(defaultDataDir({ USERPROFILE: "C:\\Users\\a" }, undefined, "win32")).toBe(
      "C:\\Users\\a\\AppData\\Local\\stateful-mcp",
    );
  });

  test("gives each app a directory of its own", () => {
    const of = (app: string, platform: NodeJS.Platform = "linux") =>
      defaultDataDir({ HOME: "/home/a", LOCALAPPDATA: "C:\\L" }, app, platform);
    expect(of("my-server")).toBe("/home/a/.local/share/stateful-mcp/apps/my-server");
    expect(of("my-server", "win32")).toBe("C:\\L\\stateful-mcp\\apps\\my-server");
    // A file system may fold case, refuse a colon, or take dots as a way out.
    const hard = ["Counter", "counter", "a:b", "a/b", "..", ".", "x.", "", "名", "a".repeat(300)].map((name) =>
      of(name),
    );
    expect(new Set(hard).size).toBe(hard.length);
    for (const path of hard) expect(path).toMatch(/\/apps\/[a-z0-9][a-z0-9._-]{0,63}(?<!\.)$/);
  });

  test("says which variable is missing when there is no home", () => {
    expect(() => defaultDataDir({}, undefined, "linux")).toThrow(/HOME is not set/);
    expect(() => defaultDataDir({}, undefined, "win32")).toThrow(/LOCALAPPDATA is not set/);
  });
});

describe("prepareDataDir", () => {
  test("keeps everything where only the owner can enter, whatever the mode of the given directory", async () => {
    await chmod(scratch, 0o755);
    const files = await prepareDataDir(scratch);
    expect((await stat(files.engine)).mode & 0o777).toBe(0o700);
    expect((await stat(scratch)).mode & 0o777).toBe(0o755);
    await chmod(files.engine, 0o777);
    expect(await isPrivate(files.engine)).toBe(false);
    await prepareDataDir(scratch);
    expect(await isPrivate(files.engine)).toBe(true);
  });

  test("gives one name to a directory that is reached through a link", async () => {
    await symlink(scratch, `${scratch}-link`);
    try {
      expect((await prepareDataDir(`${scratch}-link`)).engine).toBe((await prepareDataDir(scratch)).engine);
    } finally {
      await rm(`${scratch}-link`);
    }
  });

  test("answers a path that is a file, or leads through one, with one line that names it", async () => {
    const file = join(scratch, "file");
    await writeFile(file, "mine");
    for (const path of [file, join(file, "below")]) {
      const error = await prepareDataDir(path).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(LocalEngineError);
      expect(String(error)).toMatch(/is not a directory: move that file away/);
      expect(String(error)).toContain(path);
      expect(String(error)).not.toContain("\n");
    }
  });

  test("says so when this user may not write there", async () => {
    await chmod(scratch, 0o555);
    // Root may write anywhere.
    if (process.getuid?.() === 0) process.seteuid?.(65534);
    try {
      await expect(prepareDataDir(scratch)).rejects.toThrow(`Permission denied on ${scratch}: give this user`);
    } finally {
      if (process.getuid?.() === 0) process.seteuid?.(0);
    }
  });

  test.runIf(process.getuid?.() === 0)("refuses a directory of another user (needs root to make one)", async () => {
    const files = await prepareDataDir(scratch);
    await chown(files.engine, 65534, 65534);
    await expect(prepareDataDir(scratch)).rejects.toThrow(/belongs to another user \(65534\)/);
  });
});

describe("chooseSocketPath", () => {
  test("stays beside the data while the path is short enough for every kernel", async () => {
    expect(await chooseSocketPath("/home/a/engine", undefined, "linux")).toBe("/home/a/engine/engine.sock");
  });

  test("moves a long path to a short private directory, and stays there while that is ours alone", async () => {
    const long = join(scratch, "x".repeat(120));
    const first = await chooseSocketPath(long, undefined);
    expect(Buffer.byteLength(first)).toBeLessThanOrEqual(100);
    const directory = join(first, "..");
    try {
      expect(await isPrivate(directory)).toBe(true);
      expect(await chooseSocketPath(long, first)).toBe(first);
      await chmod(directory, 0o777);
      const second = await chooseSocketPath(long, first);
      expect(second).not.toBe(first);
      await rm(join(second, ".."), { recursive: true });
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  test("names a new pipe each time on Windows", async () => {
    const pipe = await chooseSocketPath("C:\\data\\engine", undefined, "win32");
    expect(pipe).toMatch(/^\\\\\.\\pipe\\stateful-mcp-[0-9a-f-]{36}$/);
    expect(await chooseSocketPath("C:\\data\\engine", pipe, "win32")).not.toBe(pipe);
  });
});
