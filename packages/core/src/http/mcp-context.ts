// The handlers for what a client reads rather than calls: resources, prompts and completion.
import type { JSONRPCNotification, Server, ServerContext } from "@modelcontextprotocol/server";
import type { CallOrigin, CallRuntime } from "../call.ts";
import { type CompletionTarget, completeArgument, getPrompt } from "../call-prompt.ts";
import { listResources, readResource, versionOf } from "../call-resource.ts";
import { AppError } from "../errors.ts";
import type { Principal } from "../principal.ts";
import { protocolError, withOrigin } from "./origin.ts";

/** resources/subscribe of 2025-era clients: kept with their session, and looked at by whoever holds its stream. */
export function serveSubscriptions(server: Server, runtime: CallRuntime): void {
  const serve = serving(server, (work) => work());
  const { legacySessions, subscriptions } = runtime.state;
  server.setRequestHandler("resources/subscribe", ({ params: { uri } }, context) =>
    serve(
      context,
      async (origin) => {
        const session = await legacySessions.find(origin.principal.id, origin.transportSession ?? "");
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
  { principal, session, signal }: { principal: Principal; session: string; signal: AbortSignal },
  tell: (message: JSONRPCNotification) => Promise<unknown>,
): Promise<boolean> {
  const { subscriptions } = runtime.state;
  const all = await subscriptions.list(principal.id, session);
  for (const { uri, version: seen } of all) {
    const version = await versionOf(runtime, { principal, transportSession: session }, { uri }, signal);
    if (version === seen) continue;
    await tell({ jsonrpc: "2.0", method: "notifications/resources/updated", params: { uri } });
    await subscriptions.told(principal.id, session, { uri, version });
  }
  return all.length > 0;
}

/** Counts a handler while it runs. */
export type Tracked = <T>(work: () => Promise<T>) => Promise<T>;

export function serveResources(server: Server, runtime: CallRuntime, tracked: Tracked): void {
  const serve = serving(server, tracked);
  server.setRequestHandler("resources/list", ({ params }, context) =>
    serve(context, (origin) => listResources(runtime, origin, params?.cursor)),
  );
  const resourceTemplates = runtime.resources.all
    .filter(({ isTemplate }) => isTemplate)
    .map(({ uri, name, title, description, mimeType }) => ({
      uriTemplate: uri,
      name,
      title,
      description,
      ...(mimeType !== undefined && { mimeType }),
    }));
  server.setRequestHandler("resources/templates/list", () => ({ resourceTemplates }));
  server.setRequestHandler("resources/read", ({ params }, context) =>
    serve(context, async (origin) => ({ contents: [await readResource(runtime, origin, params.uri)] }), params.uri),
  );
}

export function servePrompts(server: Server, runtime: CallRuntime, tracked: Tracked): void {
  const serve = serving(server, tracked);
  const prompts = [...runtime.prompts.values()].map(({ name, title, description, arguments: given }) => ({
    name,
    title,
    description,
    arguments: Object.entries(given).map(([argument, one]) => ({
      name: argument,
      description: one.description,
      required: one.required ?? false,
    })),
  }));
  server.setRequestHandler("prompts/list", () => ({ prompts }));
  server.setRequestHandler("prompts/get", ({ params }, context) =>
    serve(context, (origin) => getPrompt(runtime, origin, params.name, params.arguments ?? {})),
  );
}

export function serveCompletion(server: Server, runtime: CallRuntime, tracked: Tracked): void {
  const serve = serving(server, tracked);
  server.setRequestHandler("completion/complete", ({ params }, context) => {
    const { ref, argument } = params;
    const target: CompletionTarget = ref.type === "ref/prompt" ? { prompt: ref.name } : { template: ref.uri };
    const given = params.context?.arguments ?? {};
    return serve(context, async (origin) => ({
      completion: await completeArgument(runtime, origin, target, argument, given),
    }));
  });
}

const serving =
  (server: Server, tracked: Tracked) =>
  <T>(context: ServerContext, work: (origin: CallOrigin) => Promise<T>, uri?: string): Promise<T> =>
    tracked(async () => {
      try {
        // A question travels in the result's place; the SDK tells the two apart.
        return (await withOrigin(server, context, work)) as T;
      } catch (error) {
        throw protocolError(error, uri);
      }
    });
