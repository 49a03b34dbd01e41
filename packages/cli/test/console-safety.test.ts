// What the console must never do: run or send what is stored, give a token away, show one caller's memory to another.
import type { Page } from "playwright-core";
import { expect, it } from "vitest";
import { call, inBrowser, open, shown, visit } from "./browser.ts";
import { HOSTILE, RAN } from "./hostile-texts.ts";
import { startServer } from "./process.ts";

/** What became of the texts on the page that is shown. All of it must be nothing. */
async function harm(page: Page): Promise<unknown> {
  return page.evaluate(`({
    ran: globalThis.ran ?? 0,
    elements: document.querySelectorAll("main :is(img, script, iframe, svg, style, link, base, meta, object, embed, video, math, template)").length,
    foreignLinks: [...document.querySelectorAll("a")].filter(({ href }) => !href.startsWith(location.origin + "/console#")).length,
    wide: document.documentElement.scrollWidth > document.documentElement.clientWidth,
  })`);
}
const NONE = { ran: 0, elements: 0, foreignLinks: 0, wide: false };

async function hostileServer(texts: readonly string[]): Promise<{ url: string; session: string }> {
  const { url } = await startServer();
  const session = `<img src=x onerror="${RAN}">`;
  let id = 0;
  for (const text of texts) {
    id += 1;
    // The client's name is given over MCP, and becomes a part of what is shown of its note.
    const envelope = {
      "io.modelcontextprotocol/protocolVersion": "2026-07-28",
      "io.modelcontextprotocol/clientInfo": { name: text, version: "1" },
      "io.modelcontextprotocol/clientCapabilities": {},
    };
    const response = await fetch(`${url}/mcp`, {
      method: "POST",
      headers: {
        "Content-Type": "application/json",
        Accept: "application/json, text/event-stream",
        "MCP-Protocol-Version": "2026-07-28",
        "Mcp-Method": "tools/call",
        "Mcp-Name": "add_note",
      },
      body: JSON.stringify({
        ...{ jsonrpc: "2.0", id, method: "tools/call" },
        params: { name: "add_note", arguments: { session_id: session, note: text }, _meta: envelope },
      }),
    });
    expect(response.status).toBe(200);
    const key = text.replace(/[^ -~]/g, "").slice(0, 200);
    await call(url, "store_value", { session_id: session, key, value: { [text]: text } });
    // A session's name has no invisible characters and an end: what is none is refused.
    await fetch(`${url}/tools/create_session`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ name: text.slice(0, 120) }),
    });
  }
  return { url, session };
}

inBrowser("hostile text", () => {
  it("runs nowhere, leaves no page and breaks none", async () => {
    const { url, session } = await hostileServer(HOSTILE);
    const at = encodeURIComponent(session);
    const { page, foreign, complaints } = await open(`${url}/console`, { viewport: { width: 320, height: 800 } });
    const { values } = (await call(url, "list_values", { session_id: session })) as { values: { key: string }[] };
    expect(values.length).toBeGreaterThan(30);
    const look = async (hash: string, ready: () => Promise<unknown>) => {
      // What stands there from before is not what is waited for.
      await visit(page, "/console#/nowhere", "There is no such page");
      await page.goto(`${url}/console#${hash}`);
      await ready();
      expect(await harm(page), hash).toEqual(NONE);
    };
    await look("/", () => page.getByRole("heading", { name: /is running/ }).waitFor());
    await look("/memory", () => page.getByRole("list", { name: "Sessions" }).waitFor());
    await look(`/session/${at}`, () => page.getByRole("list", { name: "Notes" }).waitFor());
    expect(await page.getByRole("list", { name: "Notes" }).getByRole("listitem").count()).toBe(HOSTILE.length);
    const text = (await page.locator("main").textContent()) ?? "";
    for (const escaped of [
      "a\\u{202e}b\\u{2066}c",
      "zero\\u{200b}width",
      "bell\\u{7} and \\u{1b}[31m",
      "line\\u{2028}",
    ])
      expect(text).toContain(escaped);
    await page.getByRole("button", { name: "Show all (5,000 characters)" }).click();
    await page.evaluate("document.querySelectorAll('.note [data-edit]').forEach((button) => button.click())");
    expect(await page.getByLabel("The note's text").count()).toBe(HOSTILE.length);
    expect(await harm(page)).toEqual(NONE);
    for (const { key } of values.slice(0, 12))
      await look(`/session/${at}/value/${encodeURIComponent(key)}`, () =>
        page.getByRole("button", { name: "Download" }).waitFor(),
      );
    for (const query of ["<img", "onerror", "evil"])
      await look(`/search?q=${encodeURIComponent(query)}&in=`, () => page.locator("mark").first().waitFor());
    // A tool's error repeats what it was given.
    await look("/tools/delete_note", () => page.getByLabel("Arguments, as JSON").waitFor());
    await page.getByLabel("Arguments, as JSON").fill(JSON.stringify({ note_id: HOSTILE[0] }));
    await page.getByRole("button", { name: /^Run/ }).click();
    await page.getByText("✗ the tool refused").waitFor();
    expect(await harm(page)).toEqual(NONE);
    for (const hash of [
      `/session/${encodeURIComponent(HOSTILE[0] ?? "")}`,
      `/tasks/${at}`,
      `/tools/${at}`,
      `/${at}`,
      "/session/%ff",
    ])
      await look(hash, () => shown(page));
    expect({ foreign, complaints }).toEqual({ foreign: [], complaints: [] });
  });

  it.each([
    ["with the policy, which stops it", true],
    ["without the policy, where it runs", false],
  ])("is caught by these tests where a page would make markup of it, %s", async (_, hasPolicy) => {
    // Not those that would take the page elsewhere, where nothing could be looked at.
    const { url, session } = await hostileServer(HOSTILE.slice(0, 2));
    const { page, complaints, foreign } = await open(`${url}/console`);
    await page.route("**/console/dom.js", async (route) => {
      const response = await route.fetch();
      const fault =
        "export const stored = (name, text) => { const made = el(name); made.innerHTML = text; return made; };\nconst unused =";
      const body = (await response.text()).replace("export const stored =", fault);
      expect(body).toContain(fault);
      await route.fulfill({ response, body });
    });
    if (!hasPolicy)
      await page.route("**/console", async (route) => {
        const response = await route.fetch();
        const { "content-security-policy": _policy, ...headers } = response.headers();
        await route.fulfill({ response, headers });
      });
    await page.reload();
    await page.goto(`${url}/console#/session/${encodeURIComponent(session)}`);
    if (hasPolicy) {
      await page.getByRole("heading", { name: "This could not be read" }).waitFor();
      expect(complaints.join()).toMatch(/TrustedHTML|Trusted Type/);
      expect(await harm(page)).toMatchObject({ ran: 0 });
    } else {
      await expect.poll(() => page.evaluate("globalThis.ran ?? 0")).toBe(1);
      expect(foreign.length).toBeGreaterThan(0);
    }
  });
});

const ALICE = "alice-0123456789abcdef0123456789abcdef";
const BOB = "bob-0123456789abcdef0123456789abcdef00";
const env = { MCP_AUTH_TOKEN: `alice=${ALICE},bob=${BOB}`, STATEFUL_MCP_CONSOLE: "on" };
const as = (token: string) => ({ Authorization: `Bearer ${token}` });

async function signIn(page: Page, token: string): Promise<void> {
  await page.getByLabel("Token", { exact: true }).fill(token);
  await page.getByRole("button", { name: "Sign in" }).click();
}

inBrowser("a token", () => {
  it("is asked for, kept in the tab alone, and forgotten", async () => {
    const server = await startServer([], { env });
    const { url } = server;
    expect((await server.logged(/"console":"([^"]+)"/))[1]).toBe(`${url}/console`);
    await call(url, "add_note", { session_id: "plan", note: "Alice's" }, as(ALICE));
    const { page, foreign, complaints } = await open(`${url}/console#/memory`);
    const requests: { url: string; headers: Record<string, string> }[] = [];
    page.on("request", async (request) => {
      requests.push({ url: request.url(), headers: await request.allHeaders().catch(() => request.headers()) });
    });
    await page.getByRole("heading", { level: 1, name: "Sign in" }).waitFor();
    expect(await page.getByRole("navigation").isVisible()).toBe(false);
    await signIn(page, "wrong-0123456789abcdef0123456789abcdef");
    await page.getByText("The server does not take this token.").waitFor();
    await signIn(page, ALICE);
    await page.getByRole("link", { name: "plan" }).click();
    await page.getByRole("list", { name: "Notes" }).getByText("Alice's").waitFor();
    await page.reload();
    await page.getByRole("list", { name: "Notes" }).getByText("Alice's").waitFor();

    const kept = (await page.evaluate(
      "({ session: { ...sessionStorage }, local: JSON.stringify(localStorage), cookie: document.cookie, address: location.href, name: window.name, state: JSON.stringify(history.state) })",
    )) as Record<string, unknown>;
    expect(Object.values(kept.session as object)).toEqual([ALICE]);
    expect(JSON.stringify({ ...kept, session: undefined })).not.toContain(ALICE);
    expect(await page.context().cookies()).toEqual([]);
    expect(requests.length).toBeGreaterThan(10);
    for (const { url: address, headers } of requests) {
      expect(address).not.toContain(ALICE);
      const { authorization: _, ...others } = headers;
      expect(JSON.stringify(others)).not.toContain(ALICE);
      expect(others.referer ?? "").not.toContain("#");
    }

    await page.getByRole("button", { name: "Forget token" }).click();
    await page.getByRole("heading", { level: 1, name: "Sign in" }).waitFor();
    expect(await page.evaluate("sessionStorage.length")).toBe(0);
    expect(await page.locator("body").textContent()).not.toContain("Alice's");
    await page.goBack();
    await page.getByRole("heading", { level: 1, name: "Sign in" }).waitFor();
    expect({ foreign, complaints }).toEqual({ foreign: [], complaints: [] });
    server.child.kill("SIGTERM");
    const { stderr, stdout } = await server.ended;
    expect(stderr + stdout).not.toContain(ALICE);
  });

  it("that is handed over behind # leaves the address and the history at once", async () => {
    const { url } = await startServer([], { env });
    const { page } = await open(`${url}/console#token=${ALICE}`);
    await page.getByRole("heading", { level: 1, name: /is running/ }).waitFor();
    expect(page.url()).toBe(`${url}/console#/`);
    await visit(page, "/console#/memory", "Memory");
    await page.goBack();
    expect(page.url()).toBe(`${url}/console#/`);
    expect(await page.evaluate("history.length")).toBeLessThanOrEqual(3);
  });

  it("shows its holder's memory and nothing of others: the same as what never existed", async () => {
    const { url } = await startServer([], { env });
    await call(url, "add_note", { session_id: "plan", note: "Alice's note" }, as(ALICE));
    await call(url, "store_value", { session_id: "plan", key: "secret", value: "Alice's value" }, as(ALICE));
    const made = await call(url, "create_session", {}, as(ALICE));
    const handle = String(made.session_id);
    const never = `ses_${[...handle.slice(4)].reverse().join("")}`;
    const { page } = await open(`${url}/console#/memory`);
    await signIn(page, BOB);
    await page.getByText("Nothing is stored yet").waitFor();
    const textAt = async (hash: string, name: string) => {
      await page.goto(`${url}/console#/memory`);
      await page.getByRole("heading", { level: 1, name: "Memory" }).waitFor();
      await page.goto(`${url}/console#${hash}`);
      await expect.poll(() => page.locator("h1").textContent()).not.toBe("Memory");
      return ((await page.locator("main").textContent()) ?? "").replaceAll(name, "<name>");
    };
    for (const [own, other] of [
      [handle, never],
      ["plan", "nalp"],
    ] as const) {
      expect(await textAt(`/session/${own}`, own)).toBe(await textAt(`/session/${other}`, other));
      expect(await textAt(`/session/${own}/value/secret`, own)).toBe(
        await textAt(`/session/${other}/value/secret`, other),
      );
    }
    await page.goto(`${url}/console#/search?q=Alice`);
    await page.getByText("0 hits. Looked at 0 notes and 0 values").first().waitFor();
    const exported = await fetch(`${url}/memory/export`, { headers: as(BOB) });
    expect(await exported.text()).not.toContain("Alice");
  });
});

it("is asked for by the console's own routes", async () => {
  const { url } = await startServer([], { env });
  for (const path of ["/console/api/server", "/memory/export", "/mcp/list_tools"])
    expect((await fetch(url + path)).status).toBe(401);
});
