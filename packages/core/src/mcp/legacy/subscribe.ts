// resources/subscribe of the 2025 era: kept with the transport session, and looked at by the instance that holds its stream.
import type { JSONRPCNotification, Server } from "@modelcontextprotocol/server";
import type { CallRuntime } from "../../calls/call.ts";
import { versionOf } from "../../calls/call-resource.ts";
import { AppError } from "../../errors.ts";
import type { Principal } from "../../principal.ts";
import { serving } from "../reading.ts";
import type { LegacyState } from "./state.ts";

/** resources/subscribe of 2025-era clients: kept with their session, and looked at by whoever holds its stream. */
export function serveSubscriptions(
  server: Server,
  runtime: CallRuntime,
  { sessions, subscriptions }: LegacyState,
): void {
  const serve = serving(server, (work) => work());
  server.setRequestHandler("resources/subscribe", ({ params: { uri } }, context) =>
    serve(
      context,
      async (origin) => {
        const session = await sessions.find(origin.principal.id, origin.transportSession ?? "");
        if (!session || !runtime.resources.find(uri)?.resource.watch)
          throw new AppError("not_found", `There is no resource ${JSON.stringify(uri.slice(0, 200))} to subscribe to.`);
        const version = await versionOf(runtime, origin, { uri }, context.mcpReq.signal);
        await subscriptions.add(origin.principal.id, session, { uri, version });
        return {};
      },
      uri,
    ),
  );
  server.setRequestHandler("resources/unsubscribe", ({ params: { uri } }, context) =>
    serve(context, async (origin) => {
      await subscriptions.remove(origin.principal.id, origin.transportSession ?? "", uri);
      return {};
    }),
  );
}

/**
 * Tells of what has changed since a session's client was told last. False when it has subscribed to nothing. What is told is
 * noted afterwards: a crash in between tells twice, never not at all.
 */
export async function tellChanges(
  runtime: CallRuntime,
  { subscriptions }: LegacyState,
  { principal, session, signal }: { principal: Principal; session: string; signal: AbortSignal },
  tell: (message: JSONRPCNotification) => Promise<unknown>,
): Promise<boolean> {
  const all = await subscriptions.list(principal.id, session);
  for (const { uri, version: seen } of all) {
    const version = await versionOf(runtime, { principal, transportSession: session }, { uri }, signal);
    if (version === seen) continue;
    await tell({ jsonrpc: "2.0", method: "notifications/resources/updated", params: { uri } });
    await subscriptions.told(principal.id, session, { uri, version });
  }
  return all.length > 0;
}
