// resources/subscribe of the 2025 era: kept with the transport session, and looked at by the instance that holds its stream.
import type { JSONRPCNotification, Server } from "@modelcontextprotocol/server";
import { versionOf } from "../../calls/call-resource.ts";
import type { Services } from "../../calls/services.ts";
import { AppError } from "../../errors.ts";
import { authorize, type Principal, READ_SCOPE } from "../../principal.ts";
import { cutText } from "../../text.ts";
import { serving } from "../reading.ts";
import type { LegacyState } from "./state.ts";

/** resources/subscribe of 2025-era clients: kept with their session, and looked at by the process that holds its stream. */
export function serveSubscriptions(server: Server, services: Services, { sessions, subscriptions }: LegacyState): void {
  const serve = serving(server, (work) => work());
  server.setRequestHandler("resources/subscribe", ({ params: { uri } }, context) =>
    serve(
      context,
      async (source) => {
        authorize(source.principal, READ_SCOPE);
        const session = await sessions.find(source.principal.id, source.transportSession ?? "");
        if (!session || !services.resources.find(uri)?.resource.watch)
          throw new AppError("not_found", `There is no resource ${JSON.stringify(cutText(uri, 200))} to subscribe to.`);
        const version = await versionOf(services, source, { uri }, context.mcpReq.signal);
        await subscriptions.add(source.principal.id, session, { uri, version });
        return {};
      },
      uri,
    ),
  );
  server.setRequestHandler("resources/unsubscribe", ({ params: { uri } }, context) =>
    serve(context, async (source) => {
      await subscriptions.remove(source.principal.id, source.transportSession ?? "", uri);
      return {};
    }),
  );
}

/**
 * Tells of what has changed since a session's client was told last. Resolves to how much it has subscribed to. What is told is
 * noted afterwards: a crash in between tells twice, never not at all.
 */
export async function tellChanges(
  services: Services,
  { subscriptions }: LegacyState,
  { principal, session, signal }: { principal: Principal; session: string; signal: AbortSignal },
  tell: (message: JSONRPCNotification) => Promise<unknown>,
): Promise<number> {
  const all = await subscriptions.list(principal.id, session);
  for (const { uri, version: seen } of all) {
    const version = await versionOf(services, { principal, transportSession: session }, { uri }, signal);
    if (version === seen) continue;
    await tell({ jsonrpc: "2.0", method: "notifications/resources/updated", params: { uri } });
    await subscriptions.told(principal.id, session, { uri, version });
  }
  return all.length;
}
