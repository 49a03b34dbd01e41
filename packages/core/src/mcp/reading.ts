// The handlers for what a client reads rather than calls: resources, prompts and completion.
import type { Server, ServerContext } from "@modelcontextprotocol/server";
import { type CompletionTarget, completeArgument, getPrompt } from "../calls/call-prompt.ts";
import { listResources, readResource } from "../calls/call-resource.ts";
import type { CallSource, Services } from "../calls/services.ts";
import { withSource } from "./call-source.ts";
import { wirePrompts, wireTemplates } from "./offer.ts";
import { protocolError } from "./protocol-error.ts";

/** Counts a handler while it runs. */
export type Tracked = <T>(work: () => Promise<T>) => Promise<T>;

export function serveResources(server: Server, services: Services, tracked: Tracked): void {
  const serve = serving(server, tracked);
  server.setRequestHandler("resources/list", ({ params }, context) =>
    serve(context, (source) => listResources(services, source, params?.cursor)),
  );
  const resourceTemplates = wireTemplates(services);
  server.setRequestHandler("resources/templates/list", () => ({ resourceTemplates }));
  server.setRequestHandler("resources/read", ({ params }, context) =>
    serve(context, async (source) => ({ contents: [await readResource(services, source, params.uri)] }), params.uri),
  );
}

export function servePrompts(server: Server, services: Services, tracked: Tracked): void {
  const serve = serving(server, tracked);
  const prompts = wirePrompts(services);
  server.setRequestHandler("prompts/list", () => ({ prompts }));
  server.setRequestHandler("prompts/get", ({ params }, context) =>
    serve(context, (source) => getPrompt(services, source, params.name, params.arguments ?? {})),
  );
}

export function serveCompletion(server: Server, services: Services, tracked: Tracked): void {
  const serve = serving(server, tracked);
  server.setRequestHandler("completion/complete", ({ params }, context) => {
    const { ref, argument } = params;
    const target: CompletionTarget = ref.type === "ref/prompt" ? { prompt: ref.name } : { template: ref.uri };
    const given = params.context?.arguments ?? {};
    return serve(context, async (source) => ({
      completion: await completeArgument(services, source, target, argument, given),
    }));
  });
}

/** Runs a handler's work for whom the request came from, and says what it throws as the protocol does. */
export const serving =
  (server: Server, tracked: Tracked) =>
  <T>(context: ServerContext, work: (source: CallSource) => Promise<T>, uri?: string): Promise<T> =>
    tracked(async () => {
      try {
        // A question travels in the result's place; the SDK tells the two apart.
        return (await withSource(server, context, work)) as T;
      } catch (error) {
        throw protocolError(error, uri);
      }
    });
