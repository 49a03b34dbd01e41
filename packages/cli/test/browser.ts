// A real browser for the console's tests. Where none is installed, the suites that need one say so and are skipped.
import { existsSync } from "node:fs";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { afterAll, describe, expect, onTestFinished } from "vitest";

const EXECUTABLE = ["/usr/bin/chromium-headless-shell", "/usr/bin/chromium"].find((path) => existsSync(path));
if (EXECUTABLE === undefined)
  process.stderr.write(
    "Not tested: the console's pages. No chromium here (Debian's package chromium-headless-shell)\n",
  );

/** A group of tests that need a browser. */
export const inBrowser = (name: string, tests: () => void): void => {
  describe.skipIf(EXECUTABLE === undefined)(name, tests);
};

let started: Promise<Browser> | undefined;
afterAll(async () => {
  await (await started)?.close();
});

/** Patient with a busy machine; a test still ends when what it waits for never comes. */
const PATIENCE_MS = 30_000;

export interface OpenedPage {
  readonly page: Page;
  /** Requests that left the server's origin, and what the browser complained of. Both must stay empty. */
  readonly foreign: string[];
  readonly complaints: string[];
}

/** A tab in a context of its own, which ends with the test. */
export async function newPage(options: BrowserContextOptions = {}): Promise<Page> {
  started ??= chromium.launch({ executablePath: EXECUTABLE!, args: ["--no-sandbox"] });
  const context = await (await started).newContext({ viewport: { width: 1280, height: 900 }, ...options });
  onTestFinished(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  return page;
}

/** Opens an address in a tab of a context of its own, which ends with the test. `prepare` is given the tab before. */
export async function open(
  url: string,
  options: BrowserContextOptions = {},
  prepare?: (page: Page) => Promise<unknown>,
): Promise<OpenedPage> {
  const page = await newPage(options);
  const { origin } = new URL(url);
  const foreign: string[] = [];
  const complaints: string[] = [];
  page.on("request", (request) => {
    if (!request.url().startsWith(`${origin}/`) && !/^(blob|data):/.test(request.url())) foreign.push(request.url());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    // A refused request is the server's answer, which the pages show.
    if (message.type() === "error" && !/Failed to load resource/.test(message.text())) complaints.push(message.text());
  });
  await prepare?.(page);
  await page.goto(url);
  await shown(page);
  return { page, foreign, complaints };
}

/** Waits until the page has something to show. */
export const shown = (page: Page): Promise<unknown> => page.locator("main h1").first().waitFor();

/** Goes to another page of the console by its address. */
export async function visit(page: Page, hash: string, heading: string | RegExp): Promise<void> {
  await page.goto(new URL(hash, page.url()).href);
  await page.getByRole("heading", { level: 1, name: heading }).waitFor();
}

/** Calls a tool as a program does. */
export async function call(
  url: string,
  tool: string,
  input: object,
  headers: Record<string, string> = {},
): Promise<Record<string, unknown>> {
  const response = await fetch(`${url}/tools/${tool}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers },
    body: JSON.stringify(input),
  });
  const body = (await response.json()) as Record<string, unknown>;
  expect(response.status, JSON.stringify(body)).toBe(200);
  return body;
}
