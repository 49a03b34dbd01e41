// Tokens in a file: rotated and revoked while the server runs.
import { chmodSync, chownSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mintToken, silentLogger } from "@stateful-mcp/core";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { tokenFile } from "./access.ts";

const OLD = "o".repeat(40);
const NEW = "n".repeat(40);
let folder = "";

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tokens-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A logger that keeps what it is told. */
function listening() {
  const lines: string[] = [];
  const take = (_: object, message: string) => void lines.push(message);
  return { lines, logger: { ...silentLogger, warn: take, error: take } };
}

describe("a file of tokens", () => {
  it("that becomes something else keeps the last good tokens and logs one error, without a token or a lock-out", async () => {
    const path = join(folder, "tokens");
    writeFileSync(path, `desk=${OLD}\n`, { mode: 0o600 });
    const { lines, logger } = listening();
    const tokens = tokenFile(path, { ...logger, warn: silentLogger.warn });
    writeFileSync(path, `desk=${NEW}\nother=short\n`);
    await vi.waitFor(async () => {
      await tokens.find(OLD);
      expect(lines).toEqual([expect.stringMatching(/last good tokens/)]);
    }, 5_000);
    writeFileSync(path, `desk=${NEW}\nother=shorter\n`);
    await vi.waitFor(async () => expect(await tokens.find(OLD)).toMatchObject({ subject: "desk" }), 5_000);
    expect(await tokens.find(NEW)).toBeUndefined();
    writeFileSync(path, `desk=${NEW}\n`);
    await vi.waitFor(async () => expect(await tokens.find(NEW)).toMatchObject({ subject: "desk" }), 5_000);
    expect(lines).toHaveLength(1);
  });

  it.skipIf(process.platform === "win32")("that others of the machine may read or change is told at start", () => {
    const path = join(folder, "tokens");
    writeFileSync(path, `desk=${OLD}`);
    for (const [mode, warnings] of [
      [0o644, 1],
      [0o604, 1],
      [0o602, 1],
      [0o662, 1],
      [0o640, 0],
      [0o600, 0],
    ] as const) {
      chmodSync(path, mode);
      const { lines, logger } = listening();
      tokenFile(path, logger);
      expect(lines.filter((line) => /every user of this machine/.test(line))).toHaveLength(warnings);
    }
  });

  it.runIf(process.getuid?.() === 0)("of another user is told at start (needs root to make one)", () => {
    const path = join(folder, "tokens");
    writeFileSync(path, `desk=${mintToken()}`, { mode: 0o600 });
    const { lines, logger } = listening();
    tokenFile(path, logger);
    expect(lines).toEqual([]);
    chownSync(path, 65534, 65534);
    tokenFile(path, logger);
    expect(lines).toEqual([expect.stringMatching(/belongs to another user, who can let anybody in/)]);
  });

  it("with a token that can be guessed is told at start, by the name of its holder", () => {
    const path = join(folder, "tokens");
    writeFileSync(path, `desk=${OLD}\nlaptop=${mintToken()}`, { mode: 0o600 });
    const { lines, logger } = listening();
    tokenFile(path, logger);
    expect(lines).toEqual([expect.stringMatching(/can be guessed.*desk/)]);
    expect(lines[0]).not.toContain("laptop");
  });

  it("counts as it stands now, without a restart", async () => {
    const path = join(folder, "tokens");
    writeFileSync(path, `desk=${OLD}\n`);
    const tokens = tokenFile(path, silentLogger);
    expect(await tokens.find(OLD)).toMatchObject({ subject: "desk" });
    // Written beside it and renamed over it, as a secret's mount does.
    writeFileSync(`${path}.new`, `desk=${NEW}\n`);
    renameSync(`${path}.new`, path);
    await vi.waitFor(async () => expect(await tokens.find(NEW)).toMatchObject({ subject: "desk" }), { timeout: 5_000 });
    expect(await tokens.find(OLD)).toBeUndefined();
  });

  it("that is gone lets nobody in", async () => {
    const path = join(folder, "tokens");
    writeFileSync(path, `desk=${OLD}\n`);
    const tokens = tokenFile(path, silentLogger);
    rmSync(path);
    await vi.waitFor(() => expect(() => tokens.find(OLD)).toThrow("The tokens cannot be read now."), {
      timeout: 5_000,
    });
    // What a caller is told names no path of this machine.
    expect(() => tokens.find(OLD)).not.toThrow(folder);
  });

  it("that is missing at start stops it with its name", () => {
    expect(() => tokenFile(join(folder, "none"), silentLogger)).toThrow(
      /STATEFUL_MCP_AUTH_TOKEN_FILE .*none cannot be read \(ENOENT\)/,
    );
  });
});
