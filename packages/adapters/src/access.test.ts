// Tokens in a file: rotated and revoked while the server runs.
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { tokenFile } from "./access.ts";

const OLD = "o".repeat(40);
const NEW = "n".repeat(40);
let folder = "";

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tokens-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe("a file of tokens", () => {
  it("counts as it stands now, without a restart", async () => {
    const path = join(folder, "tokens");
    writeFileSync(path, `desk=${OLD}\n`);
    const tokens = tokenFile(path);
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
    const tokens = tokenFile(path);
    rmSync(path);
    await vi.waitFor(() => expect(() => tokens.find(OLD)).toThrow(/cannot be read \(ENOENT\)/), { timeout: 5_000 });
  });

  it("that is missing at start stops it with its name", () => {
    expect(() => tokenFile(join(folder, "none"))).toThrow(
      /STATEFUL_MCP_AUTH_TOKEN_FILE .*none cannot be read \(ENOENT\)/,
    );
  });
});
