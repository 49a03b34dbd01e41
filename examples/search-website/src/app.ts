// A server that searches the web through Serper (https://serper.dev). One search is paid for once per hour, for all callers together.
// Settings: SERPER_API_KEY, and SERPER_URL for another address of the service.
import { AppError, createApp, defineTool } from "@stateful-mcp/core";
import * as z from "zod";

const TIMEOUT_MS = 10_000;

const found = z.object({ title: z.string(), link: z.string(), snippet: z.string().default("") });
const answer = z.object({ organic: z.array(found).default([]) });

const searchWebsite = defineTool({
  name: "search_website",
  title: "Search a website",
  description: "Searches the web, or one website, and returns the best results with their addresses.",
  annotations: { readOnlyHint: true, openWorldHint: true },
  session: "none",
  cache: { ttlSeconds: 3600, shared: true },
  input: z.object({
    query: z.string().min(1).max(400).describe("What to look for."),
    site: z.hostname().optional().describe("Only this website, for example docs.python.org."),
    limit: z.int().min(1).max(20).default(5).describe("How many results, 1 to 20."),
  }),
  output: z.object({ results: z.array(found) }),
  run: async ({ query, site, limit }, { signal }) => {
    const { SERPER_API_KEY: key, SERPER_URL: url = "https://google.serper.dev/search" } = process.env;
    if (!key) throw new AppError("unavailable", "Searching needs a key: set SERPER_API_KEY where the server runs.");
    const response = await fetch(url, {
      method: "POST",
      headers: { "X-API-KEY": key, "Content-Type": "application/json" },
      body: JSON.stringify({ q: site === undefined ? query : `${query} site:${site}`, num: limit }),
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
    }).catch((error: unknown) => {
      throw new AppError("unavailable", "The search service did not answer. Try again later.", { cause: error });
    });
    if (!response.ok) {
      await response.body?.cancel();
      throw new AppError("unavailable", refusal(response.status));
    }
    const { organic } = answer.parse(await response.json());
    return { results: organic.slice(0, limit) };
  },
});

function refusal(status: number): string {
  if (status === 401 || status === 403) return "The search service refused the key: correct SERPER_API_KEY.";
  if (status === 429) return "The search service takes no more searches for now. Try again in a minute.";
  return `The search service answered with status ${status}. Try again later.`;
}

export const app = createApp({ name: "search-website", tools: [searchWebsite] });
