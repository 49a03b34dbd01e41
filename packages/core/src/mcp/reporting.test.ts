// What a call says besides its answer: progress, lines for the client's log, blocks, its trace, and the end of its caller.
import { afterEach, describe, expect, it } from "vitest";
import * as z from "zod";
import { modern, modernFetch, modernMessages } from "../../test-support/modern-requests.ts";
import { type App, type AppOptions, createApp } from "../app.ts";
import type { ToolContext } from "../define/context.ts";
import { defineTool, type Tool } from "../define/tool.ts";
import type { LogFields, Logger } from "../logger.ts";

const opened: App[] = [];

afterEach(async () => {
  for (const app of opened.splice(0)) await app.close();
});

/** A tool named `work` that does this. */
function working(run: (context: ToolContext) => Promise<void> | void): Tool {
  return defineTool({
    name: "work",
    description: "Works.",
    input: z.object({}),
    session: "none",
    run: async (_, context) => {
      await run(context);
      return { content: [{ type: "text", text: "done" }] };
    },
  });
}

function instance(tool: Tool, options: AppOptions = {}): App {
  const app = createApp({ tools: [tool], ...options });
  opened.push(app);
  return app;
}

const work = { name: "work", arguments: {} };

describe("progress", () => {
  it("reaches a client that asked for it, in order and before the answer", async () => {
    const app = instance(
      working(({ progress }) => {
        progress(1, 2, "half");
        progress(2, 2);
      }),
    );
    const messages = await modernMessages(app, "tools/call", work, { meta: { progressToken: "t" } });
    expect(messages.map(({ method, params, result }) => params ?? result?.content ?? method)).toEqual([
      { progressToken: "t", progress: 1, total: 2, message: "half" },
      { progressToken: "t", progress: 2, total: 2 },
      [{ type: "text", text: "done" }],
    ]);
  });

  it("is not sent to a client that did not ask", async () => {
    const app = instance(working(({ progress }) => progress(1)));
    expect(await modernMessages(app, "tools/call", work)).toHaveLength(1);
  });

  it("of work that its caller has given up never reaches the next caller", async () => {
    const contexts: ToolContext[] = [];
    const begun = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    const app = instance(
      working(async (context) => {
        contexts.push(context);
        begun.resolve();
        if (contexts.length === 1) await goOn.promise;
        else {
          // The first call's context speaks while the second call is served.
          contexts[0]?.progress(1, 1, "secret of the first");
          contexts[0]?.logToClient("error", "secret of the first");
          context.progress(1, 1, "own");
        }
      }),
    );
    const meta = { progressToken: "t", "io.modelcontextprotocol/logLevel": "debug" };
    const leaving = new AbortController();
    const first = modernFetch(app, "tools/call", work, { meta, id: "same", signal: leaving.signal });
    await begun.promise;
    leaving.abort();
    await first;
    const pending = modernMessages(app, "tools/call", work, { meta, id: "same" });
    goOn.resolve();
    const text = JSON.stringify(await pending);
    expect(text).toContain("own");
    expect(text).not.toContain("secret");
  });

  it("is a no-op once the call has been answered", async () => {
    let late: ToolContext | undefined;
    const app = instance(
      working((context) => {
        late ??= context;
        late.progress(1, 1, "early or late");
      }),
    );
    const options = { meta: { progressToken: "t" }, id: "same" };
    expect(JSON.stringify(await modernMessages(app, "tools/call", work, options))).toContain("early or late");
    expect(JSON.stringify(await modernMessages(app, "tools/call", work, options))).not.toContain("early or late");
  });
});

describe("lines for the client's log", () => {
  const app = () => instance(working(({ logToClient }) => logToClient("info", { step: 1 })));

  it("are sent at the level the request asks for", async () => {
    const meta = { "io.modelcontextprotocol/logLevel": "info" };
    const [line] = await modernMessages(app(), "tools/call", work, { meta });
    expect(line).toMatchObject({ method: "notifications/message", params: { level: "info", data: { step: 1 } } });
  });

  it("are not sent to a request that asks for none", async () => {
    expect(await modernMessages(app(), "tools/call", work)).toHaveLength(1);
  });
});

describe("a tool without an output", () => {
  it("has no output schema and answers with its blocks alone", async () => {
    const app = instance(working(() => {}));
    const { result: listed } = await modern(app, "tools/list");
    expect(listed.tools[0]).not.toHaveProperty("outputSchema");
    const { result } = await modern(app, "tools/call", work);
    expect(result.content).toEqual([{ type: "text", text: "done" }]);
    expect(result).not.toHaveProperty("structuredContent");
  });

  it("cannot be cached", () => {
    const input = z.object({});
    const define = () =>
      defineTool({ name: "x", description: "x", input, session: "none", cache: {}, run: () => ({ content: [] }) });
    expect(define).toThrow("it needs an output");
  });
});

describe("the trace of a call", () => {
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

  function logged(): { logger: Logger; lines: LogFields[] } {
    const lines: LogFields[] = [];
    const write = (fields: LogFields) => void lines.push(fields);
    return { lines, logger: { debug: write, info: write, warn: write, error: write } };
  }

  it("is logged with it and handed to the tool", async () => {
    const { logger, lines } = logged();
    let headers: unknown;
    const tool = working(({ trace }) => {
      headers = trace?.headers;
    });
    await modern(instance(tool, { logger }), "tools/call", work, { meta: { traceparent, tracestate: "a=1" } });
    const trace = { trace_id: "0af7651916cd43dd8448eb211c80319c", span_id: "b7ad6b7169203331" };
    expect(lines).toContainEqual(expect.objectContaining({ tool: "work", outcome: "ok", ...trace }));
    expect(headers).toEqual({ traceparent, tracestate: "a=1" });
  });

  it("is left out when it is malformed", async () => {
    const { logger, lines } = logged();
    await modern(
      instance(
        working(() => {}),
        { logger },
      ),
      "tools/call",
      work,
      { meta: { traceparent: "evil\nline" } },
    );
    expect(lines.some((fields) => "trace_id" in fields)).toBe(false);
  });
});

describe("a client that goes away", () => {
  it("ends the signal of its call", async () => {
    const begun = Promise.withResolvers<void>();
    const ended = Promise.withResolvers<void>();
    const app = instance(
      working(async ({ signal }) => {
        signal.addEventListener("abort", () => ended.resolve());
        begun.resolve();
        await ended.promise;
      }),
    );
    const leaving = new AbortController();
    const response = modernFetch(app, "tools/call", work, { signal: leaving.signal });
    await begun.promise;
    leaving.abort();
    await ended.promise;
    await response;
  });
});
