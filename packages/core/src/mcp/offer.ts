// What an app says that it offers: its capabilities and the lists that are the same for everybody until the process ends. Data only:
// knows no server and no channel.
import type { McpRequestContext, ServerCapabilities } from "@modelcontextprotocol/server";
import type { Services } from "../calls/services.ts";
import type { Tool } from "../define/tool.ts";
import { MODERN_REVISION } from "../protocol.ts";
import { TASKS_EXTENSION } from "./call-source.ts";

/** What one connection is offered. */
export interface OfferTo {
  readonly era: McpRequestContext["era"];
  /** Whether its client can be told of changes. */
  readonly subscriptions: boolean;
}

const LIST_TTL_MS = 300_000;
/** How long clients of 2026 may keep what is the same for everybody until the next deployment. */
export const PUBLIC_LIST = { ttlMs: LIST_TTL_MS, cacheScope: "public" } as const;

/** Whether calls can become tasks here. */
export const hasTasks = ({ tools, runsTasks }: Services): boolean =>
  runsTasks && [...tools.values()].some(({ task }) => task);

/** The extension for MCP Apps (SEP-1865), as capabilities name it. */
const VIEWS_EXTENSION = "io.modelcontextprotocol/ui";

/** What a server declares. */
export function capabilitiesOf(services: Services, { subscriptions, era }: OfferTo): ServerCapabilities {
  const resources = services.resources.all;
  const completes =
    resources.some((one) => Object.keys(one.complete).length > 0) ||
    [...services.prompts.values()].some((one) => Object.values(one.arguments).some(({ complete }) => complete));
  const extensions = {
    ...(era === "modern" && hasTasks(services) && { [TASKS_EXTENSION]: {} }),
    ...([...services.tools.values()].some(({ view }) => view) && { [VIEWS_EXTENSION]: {} }),
  };
  return {
    tools: {},
    logging: {},
    ...(resources.length > 0 && {
      resources: {
        ...(subscriptions && resources.some((one) => one.watch) && { subscribe: true }),
        // 2025-era clients cannot say that they want it, and to look for everybody would cost everybody.
        ...(subscriptions && era === "modern" && resources.some((one) => one.list) && { listChanged: true }),
      },
    }),
    ...(services.prompts.size > 0 && { prompts: {} }),
    ...(completes && { completions: {} }),
    ...(Object.keys(extensions).length > 0 && { extensions }),
  };
}

/** What tools/list answers, in a fixed order. */
export function wireTools(tools: Iterable<Tool>): Record<string, unknown>[] {
  return [...tools].map(({ name, title, description, inputSchema, outputSchema, annotations, view }) => ({
    name,
    title,
    description,
    inputSchema,
    ...(outputSchema && { outputSchema }),
    // VS Code shows no page for a tool that has annotations (microsoft/vscode#336916).
    ...(view === undefined
      ? { annotations: { title, ...annotations } }
      : { _meta: { ui: { resourceUri: view, visibility: ["model", "app"] } } }),
  }));
}

/** What resources/templates/list answers. */
export const wireTemplates = ({ resources }: Services) =>
  resources.all
    .filter(({ isTemplate }) => isTemplate)
    .map(({ uri, name, title, description, mimeType }) => ({
      uriTemplate: uri,
      name,
      title,
      description,
      ...(mimeType !== undefined && { mimeType }),
    }));

/** What prompts/list answers. */
export const wirePrompts = ({ prompts }: Services) =>
  [...prompts.values()].map(({ name, title, description, arguments: given }) => ({
    name,
    title,
    description,
    arguments: Object.entries(given).map(([argument, one]) => ({
      name: argument,
      description: one.description,
      required: one.required ?? false,
    })),
  }));

/** Who the server says it is. */
export interface ServerInfo {
  readonly name: string;
  readonly version: string;
  readonly instructions: string | undefined;
}

/** Results that are the same for everybody, by method, without what each answer has in its `_meta`. What is not offered is not there. */
export function constantResults(
  services: Services,
  { name, version, instructions }: ServerInfo,
  to: OfferTo,
): ReadonlyMap<string, Record<string, unknown>> {
  const capabilities = capabilitiesOf(services, to);
  const modern = to.era === "modern";
  const ending = modern ? { resultType: "complete", ...PUBLIC_LIST } : {};
  const said = {
    capabilities,
    ...(!modern && { serverInfo: { name, version } }),
    ...(instructions && { instructions }),
  };
  return new Map<string, Record<string, unknown>>([
    modern
      ? ["server/discover", { supportedVersions: [MODERN_REVISION], ...said, ...ending }]
      : ["initialize", { protocolVersion: "", ...said }],
    ["tools/list", { tools: wireTools(services.tools.values()), ...ending }],
    ...(capabilities.prompts ? [["prompts/list", { prompts: wirePrompts(services), ...ending }] as const] : []),
    ...(capabilities.resources
      ? [["resources/templates/list", { resourceTemplates: wireTemplates(services), ...ending }] as const]
      : []),
  ]);
}
