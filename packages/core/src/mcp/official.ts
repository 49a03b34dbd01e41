// What the official SDK answers of 2026-era messages over HTTP: all that is not plain, and streams of changes. Loaded when the first such
// message comes, because the SDK is a third of all code. Knows no routes.
import { createMcpHandler, isLegacyRequest, type McpServerFactory } from "@modelcontextprotocol/server";
import type { Services } from "../calls/services.ts";
import { createListens, isListen, type Listens } from "./listen.ts";

/** What `createMcpHandler` gives, and what stands beside it. */
export interface Official extends Pick<ReturnType<typeof createMcpHandler>, "fetch"> {
  readonly listens: Listens;
  /** Whether a message is of the 2025 era. */
  readonly isLegacyRequest: typeof isLegacyRequest;
  readonly isListen: typeof isListen;
  /** Ends calls that are under way. */
  close(): Promise<void>;
}

export function createOfficial(services: Services, mcp: McpServerFactory): Official {
  const handler = createMcpHandler(mcp, {
    legacy: "reject",
    onerror: (error) => services.logger.debug({ err: error.message }, "rejected"),
  });
  const listens = createListens({ services, mcp });
  return { fetch: handler.fetch, close: () => handler.close(), listens, isLegacyRequest, isListen };
}
