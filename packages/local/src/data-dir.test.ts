import { spawnSync } from "node:child_process";
import {
  chmod,
  chown,
  lchown,
  mkdir,
  mkdtemp,
  readdir,
  realpath,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { defaultDataDir, isPrivate, prepareDataDir, preparePrivate } from "./data-dir.ts";
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
    expect(isPrivate(files.engine)).toBe(false);
    await prepareDataDir(scratch);
    expect(isPrivate(files.engine)).toBe(true);
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

  describe("refuses what another user could change, and leaves nothing there", () => {
    const STRANGER = 65534;
    type Case = readonly [what: string, make: () => Promise<string>, said: RegExp];
    const theirs = /belongs to another user \(65534\).*: make it this user's, run as that user, or choose another/;
    const folder = async (...names: string[]) => {
      const path = join(scratch, ...names);
      await mkdir(path, { recursive: true });
      return path;
    };
    const given = async (path: string) => chown(path, STRANGER, STRANGER).then(() => path);
    /** As after a copy that lost its modes: another user came in, and what is left of that stays that user's. */
    const planted = async (path: string, put: (path: string) => Promise<unknown> = (file) => writeFile(file, "")) => {
      await folder("data", dirname(path));
      const file = join(scratch, "data", path);
      await put(file);
      await lchown(file, STRANGER, STRANGER);
      return join(scratch, "data");
    };
    const toEtc = (path: string) => symlink("/etc/hostname", path);
    const link = async (path: string, to: string) => symlink(to, path).then(() => path);

    const places: Case[] = [
      [
        "a directory above it that every user may change",
        async () => {
          await chmod(await folder("open"), 0o777);
          return join(scratch, "open", "data");
        },
        /open can be changed by every user of this machine \(its mode is 777\).*: take that away \(chmod o-w\), or choose another/,
      ],
      [
        "a directory that every user may change",
        async () => {
          await chmod(await folder("data"), 0o777);
          return join(scratch, "data");
        },
        /data can be changed by every user of this machine/,
      ],
      [
        "a link to a place that every user may change",
        async () => {
          await chmod(await folder("open"), 0o777);
          await folder("open", "data");
          return link(join(scratch, "link"), "open/data");
        },
        /open can be changed by every user of this machine/,
      ],
      ["links that lead in a circle", () => link(join(scratch, "link"), "link"), /choose another data directory/],
    ];
    const placesOfOthers: Case[] = [
      ["a directory of another user", async () => given(await folder("data")), theirs],
      [
        "one in a directory of another user where all may make files",
        async () => {
          const open = await given(await folder("open"));
          await chmod(open, 0o1777);
          return join(open, "data");
        },
        theirs,
      ],
      [
        "a directory below one of another user",
        async () => {
          const data = await folder("theirs", "mine", "data");
          await given(join(scratch, "theirs"));
          return data;
        },
        theirs,
      ],
      [
        "a directory above it that another group may change",
        async () => {
          const open = await folder("group");
          await chown(open, 0, STRANGER);
          await chmod(open, 0o775);
          return join(open, "data");
        },
        /group can be changed by the group 65534 \(its mode is 775\).*\(chmod g-w\)/,
      ],
      [
        "a link of another user to a place of this one",
        async () => {
          const path = await link(join(scratch, "link"), await folder("data"));
          await lchown(path, STRANGER, STRANGER);
          return path;
        },
        theirs,
      ],
      [
        "a link of another user on the way of a link of this one",
        async () => {
          await folder("data");
          await lchown(await link(join(scratch, "second"), "data"), STRANGER, STRANGER);
          return link(join(scratch, "first"), "./second/../second");
        },
        theirs,
      ],
    ];
    const contentOfOthers: Case[] = [
      ["a folder that another user made in it", () => planted("state", (path) => mkdir(path)), theirs],
      ["a link that another user made in it", () => planted("state", (path) => link(path, scratch)), theirs],
      ["a file of state that another user made", () => planted("state/mcp_state.sqlite"), theirs],
      ["a log of changes that another user made", () => planted("state/mcp_state.sqlite-wal"), theirs],
      ["a link that another user made for the file of state", () => planted("state/mcp_state.sqlite", toEtc), theirs],
      [
        "a link of this user for the file of state, to a place of another one",
        async () => {
          const file = join(await given(await folder("theirs")), "mcp_state.sqlite");
          await writeFile(file, "");
          await link(join(await folder("data", "state"), "mcp_state.sqlite"), file);
          return join(scratch, "data");
        },
        theirs,
      ],
      ["a database of the engine that another user made", () => planted("engine/db", (path) => mkdir(path)), theirs],
      ["a file in the engine's database that another user made", () => planted("engine/db/000005.ldb"), theirs],
      ["a record of the engine that another user made", () => planted("engine/engine.json"), theirs],
      ["a link that another user made for the engine's log", () => planted("engine/engine.log", toEtc), theirs],
      ["a large value that another user made", () => planted("engine/blobs/ab/abcd"), theirs],
    ];
    const errorsOf = async (dataDir: string) => {
      const ends = await Promise.allSettled(["state", "engine"].map((name) => preparePrivate(dataDir, name)));
      return ends.flatMap((end) => (end.status === "rejected" ? [end.reason] : []));
    };
    const refusesPlace = async ([, make, said]: Case) => {
      const dataDir = await make();
      const before = await readdir(scratch, { recursive: true });
      const errors = await errorsOf(dataDir);
      expect(errors).toEqual(errors.map(() => expect.any(LocalEngineError)));
      expect(errors.map(String)).toEqual([expect.stringMatching(said), expect.stringMatching(said)]);
      expect(await readdir(scratch, { recursive: true })).toEqual(before);
    };
    const refusesContent = async ([, make]: Case) => {
      // What stands in one folder is nothing to the other.
      expect(String(await errorsOf(await make()))).toMatch(theirs);
    };
    test.each(places)("%s", async (...one) => refusesPlace(one));
    describe.runIf(process.getuid?.() === 0)("needs root to make it", () => {
      test.each(placesOfOthers)("%s", async (...one) => refusesPlace(one));
      test.each(contentOfOthers)("%s", async (...one) => refusesContent(one));
    });
  });

  const inSandbox = ["--reuid=4242", "--regid=4242", "--clear-groups", "unshare", "--user", "--map-current-user"];
  test.runIf(spawnSync("setpriv", [...inSandbox, "true"]).status === 0)(
    "starts in a sandbox that does not know root (needs root and user namespaces to make one)",
    async () => {
      await chmod(scratch, 0o755);
      const data = join(scratch, "data");
      await mkdir(data);
      await chown(data, 4242, 4242);
      const url = new URL("./data-dir.ts", import.meta.url).href;
      const code = `import { preparePrivate } from "${url}"; console.log((await preparePrivate(process.argv[1], "state")).folder)`;
      const node = [process.execPath, "--input-type=module", "-e", code, data];
      const { stdout, stderr } = spawnSync("setpriv", [...inSandbox, ...node], { cwd: "/", encoding: "utf8" });
      expect([stdout.trim(), stderr]).toEqual([join(data, "state"), ""]);
    },
  );

  test("takes what only this user and root can change: below /tmp, through links of one's own, open to one's own group", async () => {
    const sticky = join(scratch, "sticky");
    await mkdir(join(sticky, "mine"), { recursive: true });
    await chmod(sticky, 0o1777);
    await chmod(join(sticky, "mine"), 0o775);
    await symlink("mine/../mine", join(sticky, "link"));
    const real = await realpath(join(sticky, "mine"));
    for (const path of [join(sticky, "link", "data"), join(sticky, "mine", "data")]) {
      const place = await preparePrivate(path, "state");
      expect(place).toEqual({ dataDir: join(real, "data"), folder: join(real, "data", "state") });
    }
    await symlink(join(real, "data", "state"), join(real, "data", "engine"));
    expect(await preparePrivate(join(real, "data"), "engine")).toMatchObject({ folder: join(real, "data", "state") });
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
      expect(isPrivate(directory)).toBe(true);
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
