import { expect, it } from "vitest";
import { createApp } from "../app.ts";

const BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

const get = (path: string, accept: string, options = {}) =>
  createApp(options).fetch(
    new Request(`http://localhost:3333${path}`, { headers: { Accept: accept, Host: "localhost:3333" } }),
  );

it.each(["/", "/mcp", "/mcp/"])("a browser that opens %s is told what this is and how to connect", async (path) => {
  const response = await get(path, BROWSER, { name: "<notes>" });
  expect([response.status, response.headers.get("Content-Type")]).toEqual([200, expect.stringMatching(/^text\/html/)]);
  expect(response.headers.get("Content-Security-Policy")).toContain("default-src 'none'");
  const page = await response.text();
  expect(page).toContain("http://localhost:3333/mcp");
  expect(page).toContain("&lt;notes&gt;");
  expect(page).not.toContain("<notes>");
});

it.each(["text/event-stream", "application/json, text/event-stream", "*/*", ""])(
  "GET /mcp with Accept %j is the protocol's",
  async (accept) => {
    const response = await get("/mcp", accept);
    expect(response.headers.get("Content-Type")).not.toContain("text/html");
    expect(response.status).toBeGreaterThanOrEqual(400);
  },
);

it("tells of the token where one is asked for, and of no tool", async () => {
  const page = await (await get("/", BROWSER, { access: { mode: "anonymous" } })).text();
  expect(page).toContain("asks for no token");
  const carrier = await get("/", BROWSER, { access: { mode: "carrier" } });
  const text = await carrier.text();
  expect(text).toContain("Authorization: Bearer &lt;token&gt;");
  expect(text).not.toContain("add_note");
});

it("serves no page to a host that is not its own", async () => {
  const response = await createApp().fetch(
    new Request("http://evil.example/", { headers: { Accept: BROWSER, Host: "evil.example" } }),
  );
  expect(response.status).toBe(403);
});
