// resources/subscribe of the 2025 era, in a server of the SDK. Knows neither HTTP nor streams.
import type { Server } from "@modelcontextprotocol/server";
import { versionOf } from "../../calls/call-resource.ts";
import type { Services } from "../../calls/services.ts";
import { AppError } from "../../errors.ts";
import { authorize, READ_SCOPE } from "../../principal.ts";
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
