// Reading, listing and watching resources, always as one caller: what it may not see does not exist.
import { createHash } from "node:crypto";
import type { CallContext } from "../define/context.ts";
import { AppError } from "../errors.ts";
import { PAGE_DEFAULT_ENTRIES } from "../limits.ts";
import { READ_SCOPE } from "../principal.ts";
import { decodeCursor, encodeCursor } from "../state/cursor.ts";
import { cutText } from "../text.ts";
import { askingOf, unlessAsking } from "./asking.ts";
import { contextOf, runCall } from "./run-call.ts";
import type { CallSource, Services } from "./services.ts";

/** A resource as lists show it. */
export interface WireResource {
  uri: string;
  name: string;
  title: string;
  description: string;
  mimeType?: string;
}

export type ResourceText = { uri: string; mimeType?: string } & ({ text: string } | { blob: string });

/** @throws AppError `not_found`; InputNeeded. */
export function readResource(services: Services, source: CallSource, uri: string): Promise<ResourceText> {
  return runCall(
    services,
    source,
    { resource: cutText(uri, 200) },
    { scope: READ_SCOPE, readOnly: true },
    async (inProgress) => {
      const found = services.resources.find(uri);
      if (!found) throw noResource(uri);
      const { resource, variables } = found;
      const asked = { target: "resources/read", arguments: uri };
      const answer = await resource.read(variables, {
        ...contextOf(services, source, inProgress),
        ...(await askingOf(services, source, asked)),
      });
      if (answer === undefined) throw noResource(uri);
      const content = { uri, ...(resource.mimeType !== undefined && { mimeType: resource.mimeType }) };
      if (typeof answer === "string") return { ...content, text: answer };
      const bytes = await unlessAsking<Uint8Array>(services, source.principal, asked, answer);
      return { ...content, blob: Buffer.from(bytes).toString("base64") };
    },
  );
}

const noResource = (uri: string): AppError =>
  new AppError(
    "not_found",
    `There is no resource ${JSON.stringify(cutText(uri, 200))}. List them with resources/list.`,
  );

/** A page of what this caller can read, and the cursor of the next one. */
export function listResources(
  services: Services,
  source: CallSource,
  cursor: string | undefined,
): Promise<{ resources: WireResource[]; nextCursor?: string }> {
  return runCall(services, source, { resource: "list" }, { scope: READ_SCOPE, readOnly: true }, async (inProgress) => {
    const all = await listAll(services, contextOf(services, source, inProgress));
    // By name rather than by number, so that what is added or removed meanwhile moves nothing across a page's edge.
    const after = cursor === undefined ? undefined : decodeCursor(cursor, ["number", "string"]);
    const rest = after
      ? all.filter(({ order, uri }) => order > after[0] || (order === after[0] && uri > after[1]))
      : all;
    const page = rest.slice(0, PAGE_DEFAULT_ENTRIES);
    const last = page.at(-1);
    return {
      resources: page.map(({ order: _, ...resource }) => resource),
      ...(last && rest.length > page.length && { nextCursor: encodeCursor([last.order, last.uri]) }),
    };
  });
}

type Listed = WireResource & { readonly order: number };

async function listAll(services: Services, context: CallContext): Promise<Listed[]> {
  const listed: Listed[] = [];
  for (const [order, resource] of services.resources.all.entries()) {
    const { title, description, mimeType } = resource;
    // Pages of MCP Apps are found by the tools that open them; in a list they would be in the way of what can be read.
    if (resource.uri.startsWith("ui:")) continue;
    const common = { order, description, ...(mimeType !== undefined && { mimeType }) };
    if (!resource.isTemplate) listed.push({ ...common, uri: resource.uri, name: resource.name, title });
    const entries = (await resource.list?.(context)) ?? [];
    const expanded = entries.map(({ variables, name, title = name, ...more }) => ({
      ...common,
      ...more,
      uri: resource.expand(variables),
      name,
      title,
    }));
    listed.push(...expanded.sort((a, b) => (a.uri < b.uri ? -1 : 1)));
  }
  return listed;
}

/** A resource's version, or the list's, as this caller sees it now. What does not exist, or is not the caller's, is `absent`. */
export async function versionOf(
  services: Services,
  source: CallSource,
  watched: { uri: string } | "list",
  signal: AbortSignal,
): Promise<string> {
  const context = contextOf(services, source, { signal, fields: {} });
  if (watched === "list") {
    const uris = (await listAll(services, context)).map(({ uri }) => uri);
    return createHash("sha256").update(JSON.stringify(uris)).digest("base64url");
  }
  const found = services.resources.find(watched.uri);
  try {
    const version = await found?.resource.watch?.(found.variables, context);
    return version === undefined ? ABSENT : `v${version}`;
  } catch (error) {
    if (error instanceof AppError && !error.retryable && error.status < 500) return ABSENT;
    throw error;
  }
}
const ABSENT = "absent";
