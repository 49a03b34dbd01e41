// The console and what it moves, where a memory holds much: many notes, a value of five megabytes, and an import that is killed in the
// middle.
import { readFileSync } from "node:fs";
import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { call, inBrowser, open } from "./browser.ts";
import { startServer, temporaryDirectory } from "./process.ts";

const local = (directory = temporaryDirectory()) => ({
  ...{ MCP_STATE_BACKEND: "local", STATEFUL_MCP_DATA_DIR: directory },
  ...{ STATEFUL_MCP_BODY_MAX_BYTES: "8000000", STATEFUL_MCP_BLOB_MAX_BYTES: "6000000" },
});

/** An export of one session with notes of these numbers. */
function exportOf(session: string, from: number, to: number): string {
  const at = new Date(0).toISOString();
  const lines = [
    { kind: "header", format: "stateful-mcp/1", exported_at: at, principal: "local" },
    { kind: "session", session_id: session, created_at: at, ttl_seconds: 86_400 },
    ...Array.from({ length: to - from }, (_, i) => ({
      ...{ kind: "note", at, by: "local", client: "loader 1.0.0" },
      text: `note ${from + i} ${"lorem ipsum ".repeat(10)}`,
    })),
    { kind: "session_end", complete: true },
  ];
  return lines.map((line) => `${JSON.stringify(line)}\n`).join("");
}

const load = async (url: string, body: string) => {
  const headers = { "Content-Type": "application/x-ndjson" };
  const answer = await fetch(`${url}/memory/import`, { method: "POST", headers, body });
  return (await answer.json()) as { notes: number };
};

/** What the process of a tab holds in memory that no other process shares, in bytes. */
async function tabBytes(page: Page): Promise<number> {
  const browser = page.context().browser();
  const session = await browser?.newBrowserCDPSession();
  const { processInfo } = (await session?.send("SystemInfo.getProcessInfo")) ?? { processInfo: [] };
  const tabs = processInfo.filter(({ type }) => type === "renderer").map(({ id }) => memoryOf(id));
  return Math.max(...tabs);
}

function memoryOf(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  return [...rollup.matchAll(/^Private_(?:Clean|Dirty): +(\d+) kB$/gm)].reduce(
    (sum, [, kB]) => sum + Number(kB) * 1024,
    0,
  );
}

/** What a page shows does not depend on it; with 100,000 it was run by hand: docs/console.md. */
const MANY = 10_000;
/** Of an import, whose body has a bound. */
const BATCH = 10_000;

inBrowser("a session with many notes", () => {
  it("is shown by its newest, from one answer of at most 64 KB, in a tab of at most 150 MB", async () => {
    const { url } = await startServer([], { env: local() });
    for (let from = 0; from < MANY; from += BATCH) {
      const { notes } = await load(url, exportOf("many", from, from + BATCH));
      expect(notes).toBe(BATCH);
    }
    const sizes: number[] = [];
    const { page } = await open(`${url}/console#/session/many`, {}, async (tab) => {
      tab.on("response", (response) => {
        if (response.url().includes("/tools/get_notes") || response.url().endsWith("/mcp"))
          void response.body().then(
            (body) => sizes.push(body.byteLength),
            () => {},
          );
      });
    });
    const notes = page.getByRole("list", { name: "Notes" }).getByRole("listitem");
    await notes
      .first()
      .getByText(new RegExp(`^note ${MANY - 1} `))
      .waitFor();
    expect(await notes.count()).toBe(50);
    expect(sizes.length).toBeGreaterThan(0);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(64 * 1024);
    expect(await tabBytes(page)).toBeLessThanOrEqual(150 * 1024 * 1024);
  });
});

inBrowser("a value of five megabytes", () => {
  it("is shown by its beginning, in a tab of at most 150 MB, and downloaded whole", async () => {
    const { url } = await startServer([], { env: local() });
    const text = "0123456789".repeat(500_000);
    await call(url, "store_value", { session_id: "plan", key: "k", value: text });
    const { page } = await open(`${url}/console#/session/plan/value/k`);
    await page.getByText("too long to be edited here").waitFor();
    expect(await tabBytes(page)).toBeLessThanOrEqual(150 * 1024 * 1024);
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("button", { name: "Download all of it" }).click(),
    ]);
    expect(readFileSync(await download.path(), "utf8")).toBe(JSON.stringify(text));
  });
});

const IMPORTED = 5_000;
const CUT_AFTER = 500;

describe("an import whose server is killed in the middle", () => {
  it("is made again, and then everything is there once", async () => {
    const env = local();
    const first = await startServer([], { env });
    const body = exportOf("many", 0, IMPORTED);
    const cut = load(first.url, body).then(
      () => "answered",
      () => "cut off",
    );
    const stored = async () =>
      (await call(first.url, "session_info", { session_id: "many" }).catch(() => ({ notes: 0 }))).notes as number;
    while ((await stored()) < CUT_AFTER);
    first.child.kill("SIGKILL");
    expect(await cut).toBe("cut off");
    await first.ended;
    const second = await startServer([], { env });
    const before = (await call(second.url, "session_info", { session_id: "many" })).notes as number;
    expect(before).toBeGreaterThanOrEqual(CUT_AFTER);
    expect(before).toBeLessThan(IMPORTED);
    expect((await load(second.url, body)).notes).toBeLessThanOrEqual(IMPORTED - before);
    const exported = await (await fetch(`${second.url}/memory/export`)).text();
    const notes = exported.split("\n").filter((line) => line.startsWith('{"kind":"note"'));
    const texts = notes.map((line) => (JSON.parse(line) as { text: string }).text);
    expect(texts).toEqual(Array.from({ length: IMPORTED }, (_, i) => `note ${i} ${"lorem ipsum ".repeat(10)}`));
    expect(await load(second.url, body)).toMatchObject({ notes: 0 });
  });
});
