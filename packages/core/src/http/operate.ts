// What the operator's console reads: the journal as JSON under /console/api. For the local user of this machine, or a token that names the
// scope; for pages of this server alone, also where other origins may call its tools. Knows no page and no store.
import type { Hono } from "hono";
import { AppError } from "../errors.ts";
import {
  CALLS_MAX,
  type CallFilter,
  type JournalReader,
  SERVICE_WINDOWS,
  type ServiceWindow,
} from "../state/journal-reader.ts";
import { type Bindings, type CallerCheck, type RequestContext, seenOf } from "./caller-of-request.ts";
import { requireOperator } from "./operator.ts";

/** Where the journal is read, and whether this process keeps one. */
export interface JournalRoutes {
  readonly reader: JournalReader;
  readonly mode: "off" | "rollup" | "calls";
}

/** Texts that a query may give: as the parameter is called, and what of a call it must equal. */
const TEXTS = {
  ...{ tool: "tool", method: "method", outcome: "outcome", client: "client", principal: "principal" },
  ...{ process: "process", request_id: "requestId", trace_id: "traceId", cursor: "cursor" },
} as const;

export function serveJournal(app: Hono<Bindings>, { reader, mode }: JournalRoutes, callers: CallerCheck): void {
  const serve = (path: string, read: (c: RequestContext) => Promise<object>) =>
    app.get(`/console/api/${path}`, async (c) => {
      requireOwnPage(c, callers);
      if (!(await requireOperator(c, callers))) return c.notFound();
      return c.json({ journal: mode, ...(onWire(await read(c)) as object) }, 200, { "Cache-Control": "no-store" });
    });
  serve("calls", async (c) => {
    const { calls, searched, next } = await reader.calls(filterOf(c));
    return { calls, searched, ...(next !== undefined && { nextCursor: next }) };
  });
  serve("service", (c) => reader.service(windowOf(c.req.query("window") ?? "1h")));
  serve("fleet", async () => ({ nowMs: Date.now(), processes: await reader.fleet() }));
}

/** A page that the operator lets use tools may not look over the operator's shoulder. */
function requireOwnPage(c: RequestContext, { refusals }: CallerCheck): void {
  const origin = c.req.header("origin");
  const site = c.req.header("sec-fetch-site") ?? "same-origin";
  const own =
    origin === undefined || (URL.canParse(origin) && new URL(origin).host === c.req.header("host")?.toLowerCase());
  if (own && (site === "same-origin" || site === "none")) return;
  refusals.tell("origin", { ...seenOf(c), origin: origin ?? site });
  throw new AppError("forbidden", "Only pages of this server may read what it does.");
}

function filterOf(c: RequestContext): CallFilter {
  const given = c.req.query();
  const texts = Object.entries(TEXTS).flatMap(([name, field]) => (given[name] ? [[field, given[name]]] : []));
  return {
    ...Object.fromEntries(texts),
    ...numberOf("limit", given.limit, 1, CALLS_MAX, "limit"),
    ...numberOf("slower_than_ms", given.slower_than_ms, 0, 86_400_000, "slowerThanMs"),
  };
}

function numberOf(name: string, text: string | undefined, min: number, max: number, field: keyof CallFilter) {
  if (text === undefined || text === "") return {};
  const value = Number(text);
  if (Number.isInteger(value) && value >= min && value <= max) return { [field]: value };
  throw new AppError("invalid_input", `${name}: expected a whole number from ${min} to ${max}.`);
}

/** @throws AppError `invalid_input` */
function windowOf(text: string): ServiceWindow {
  if (Object.hasOwn(SERVICE_WINDOWS, text)) return text as ServiceWindow;
  throw new AppError("invalid_input", `window: expected one of ${Object.keys(SERVICE_WINDOWS).join(", ")}.`);
}

/** With the names that fields have on the wire. */
function onWire(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(onWire);
  if (typeof value !== "object" || value === null) return value;
  const fields = Object.entries(value).map(([name, inner]) => [
    name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    onWire(inner),
  ]);
  return Object.fromEntries(fields);
}
