import { afterEach, describe, expect, it, vi } from "vitest";
import * as z from "zod";
import type { ToolContext } from "../define/context.ts";
import { defineTool } from "../define/tool.ts";
import { AppError } from "../errors.ts";
import type { LogFields, Logger } from "../logger.ts";
import { LOCAL_PRINCIPAL } from "../principal.ts";
import { testApp } from "../testing/test-app.ts";

const toolThat = (run: (context: ToolContext) => unknown) =>
  defineTool({
    name: "work",
    description: "Works.",
    input: z.object({}),
    output: z.object({ done: z.boolean() }),
    session: "none",
    run: (_, context) => run(context) as { done: boolean },
  });

function recording(): { logger: Logger; lines: { level: string; fields: LogFields; message: string }[] } {
  const lines: { level: string; fields: LogFields; message: string }[] = [];
  const at = (level: string) => (fields: LogFields, message: string) => {
    lines.push({ level, fields, message });
  };
  return { logger: { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") }, lines };
}

afterEach(() => {
  vi.useRealTimers();
});

describe("a call", () => {
  it.each([
    ["an unknown argument", { note: "n", nonsense: 1 }, "nonsense"],
    ["an argument in the wrong case", { Note: "n" }, "note"],
    ["a missing argument", {}, "note"],
    ["an argument of the wrong type", { note: 7 }, "note"],
    ["a null argument", { note: null }, "note"],
    ["a session_id of the wrong type", { note: "n", session_id: 7 }, "session_id"],
    ["an idempotency_key of the wrong type", { note: "n", idempotency_key: {} }, "idempotency_key"],
    ["an argument named like the prototype", JSON.parse('{"note":"n","__proto__":{"a":1}}'), "__proto__"],
    ["a list for arguments", ["n"], "object"],
    ["text for arguments", "n", "object"],
    ["a number for arguments", 7, "object"],
  ])("with %s is refused, and the answer names it and the arguments there are", async (_, args, word) => {
    const { app } = testApp();
    const call = app.call({ name: "add_note", arguments: args, principal: LOCAL_PRINCIPAL });
    await expect(call).rejects.toMatchObject({ code: "invalid_input" });
    await expect(call).rejects.toThrow(word);
    await expect(call).rejects.toThrow("Its arguments are: note, session_id, idempotency_key.");
  });

  it.each([
    ["get_notes", { limit: 0 }],
    ["get_notes", { limit: 1001 }],
    ["get_notes", { limit: 1.5 }],
    ["get_notes", { order: "random" }],
    ["get_notes", { cursor: "x".repeat(2001) }],
    ["store_value", { key: "k" }],
    ["store_value", { key: "k", value: 1, if_version: -1 }],
    ["store_value", { key: "k", value: 1, ttl_seconds: 0 }],
    ["delete_value", { key: "k", if_version: 0 }],
    ["increment_value", { key: "k", by: Number.NaN }],
    ["increment_value", { key: "k", by: Number.POSITIVE_INFINITY }],
    ["create_session", { ttl_seconds: 1.5 }],
    ["echo_cached", { text: "x".repeat(10_001) }],
  ])("of %s with %j is refused", async (name, args) => {
    const { call } = testApp();
    await expect(call(name, args)).rejects.toMatchObject({ code: "invalid_input" });
  });

  it("without arguments takes the defaults", async () => {
    const { app } = testApp();
    for (const args of [undefined, null, {}])
      expect(await app.call({ name: "get_notes", arguments: args, principal: LOCAL_PRINCIPAL })).toMatchObject({
        structured: { notes: [] },
      });
  });

  it.each(["nope", "__proto__", "constructor", "", "x".repeat(1000)])(
    "of an unknown tool, %s, lists the tools there are",
    async (name) => {
      const { call } = testApp();
      await expect(call(name)).rejects.toMatchObject({
        code: "not_found",
        message: expect.stringContaining("add_note"),
      });
    },
  );
});

describe("a tool that misbehaves", () => {
  it("by throwing is answered with a number to quote and nothing else; the log learns it once", async () => {
    const { logger, lines } = recording();
    const { call } = testApp({
      logger,
      tools: [
        toolThat(() => {
          throw new Error("password=hunter2");
        }),
      ],
    });
    const failed = await call("work").catch((error: unknown) => error as AppError);
    expect(failed).toMatchObject({ code: "internal", retryable: false });
    const message = (failed as AppError).message;
    expect(message).not.toContain("hunter2");
    const errors = lines.filter(({ level }) => level === "error");
    expect(errors).toHaveLength(1);
    expect(errors[0]?.fields.err).toMatchObject({ message: "password=hunter2" });
    expect(message).toContain(String(errors[0]?.fields.request_id));
  });

  it.each([
    ["no object", undefined],
    ["null", null],
    ["text", "done"],
    ["the wrong type", { done: "yes" }],
    ["too little", {}],
  ])("by returning %s is answered as an internal error", async (_, result) => {
    const { call } = testApp({ tools: [toolThat(() => result)] });
    await expect(call("work")).rejects.toMatchObject({ code: "internal" });
  });

  it("by returning more than its schema says has the rest taken away", async () => {
    const { call } = testApp({ tools: [toolThat(() => ({ done: true, secret: 1 }))] });
    expect(await call("work")).toEqual({ done: true });
  });

  it("by taking too long is given up with an error that may be retried, also when it ignores its signal", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const signals: AbortSignal[] = [];
    const { call } = testApp({
      limits: { callTimeoutMs: 1_000 },
      tools: [
        toolThat(({ signal }) => {
          signals.push(signal);
          return new Promise(() => {});
        }),
      ],
    });
    const outcome = call("work").catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(999);
    expect(signals.map(({ aborted }) => aborted)).toEqual([false]);
    await vi.advanceTimersByTimeAsync(1);
    expect(await outcome).toMatchObject({ code: "unavailable", retryable: true });
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("by writing after it was given up leaves one effect, also when the call is sent again with its key meanwhile", async () => {
    const given: AbortSignal[] = [];
    const late = Promise.withResolvers<void>();
    const slow = defineTool({
      name: "slow",
      description: "Ignores its signal, waits, and writes.",
      input: z.object({}),
      output: z.object({ count: z.number() }),
      run: async (_, { session, signal }) => {
        given.push(signal);
        if (given.length === 1) await late.promise;
        return { count: await session.values.increment("effects") };
      },
    });
    const { call, app, store, clock } = testApp({ limits: { callTimeoutMs: 100 }, tools: [slow] });
    await expect(call("slow", { idempotency_key: "k" })).rejects.toMatchObject({
      code: "unavailable",
      retryable: true,
    });
    expect(given[0]?.aborted).toBe(true);
    late.resolve();
    await app.settle();
    // Without that limit, which a call may miss on a busy machine.
    const patient = testApp({ store, clock, tools: [slow] });
    const answers = new Set<unknown>();
    for (let sent = 0; sent < 3; sent++) answers.add((await patient.call("slow", { idempotency_key: "k" })).count);
    expect([...answers]).toEqual([1]);
  });

  it("by throwing after it was given up, or by throwing no error at all, harms nobody else", async () => {
    const late = Promise.withResolvers<void>();
    const { logger, lines } = recording();
    const hanging = defineTool({
      ...{ name: "hang", description: "Hangs, then fails.", input: z.object({}), output: z.object({}) },
      session: "none",
      run: async (_, { log }) => {
        await late.promise;
        log.info({}, "fails now");
        throw new Error("too late for anybody");
      },
    });
    const strange = toolThat(() => Promise.reject());
    const fine = defineTool({
      ...{ name: "fine", description: "Works.", input: z.object({}), output: z.object({ ok: z.boolean() }) },
      session: "none",
      run: () => ({ ok: true }),
    });
    const { call } = testApp({ logger, limits: { callTimeoutMs: 50 }, tools: [hanging, strange, fine] });
    await expect(call("hang")).rejects.toMatchObject({ code: "unavailable" });
    late.resolve();
    await vi.waitFor(() => expect(lines.map(({ message }) => message)).toContain("fails now"));
    await expect(call("work")).rejects.toMatchObject({ code: "internal" });
    expect(await call("fine")).toEqual({ ok: true });
  });

  it("by returning what its schema forbids leaves the reason in the log, and none of it in the answer", async () => {
    const { logger, lines } = recording();
    const { call } = testApp({ logger, tools: [toolThat(() => ({ done: "secret" }))] });
    await expect(call("work")).rejects.toThrow(/^(?!.*done).*$/s);
    const [error] = lines.filter(({ level }) => level === "error");
    expect(error?.fields.err).toMatchObject({ message: expect.stringContaining("its output schema forbids: done") });
  });
});

describe("a tool's signal", () => {
  it("is aborted when the client goes away, and was when the client had gone before", async () => {
    const begun = Promise.withResolvers<void>();
    const tool = toolThat(
      ({ signal }) =>
        new Promise((resolve) => {
          begun.resolve();
          if (signal.aborted) resolve({ done: false });
          signal.addEventListener("abort", () => resolve({ done: true }));
          begun.resolve();
        }),
    );
    const { app } = testApp({ tools: [tool] });
    const controller = new AbortController();
    const call = { name: "work", arguments: {}, principal: LOCAL_PRINCIPAL, signal: controller.signal };
    const running = app.call(call);
    await begun.promise;
    controller.abort();
    expect((await running).structured).toEqual({ done: true });
    expect((await app.call(call)).structured).toEqual({ done: false });
  });

  it("is not aborted by a call that ends well, and no timer is left", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    let signal: AbortSignal | undefined;
    const tool = toolThat((context) => {
      signal = context.signal;
      return { done: true };
    });
    const { call } = testApp({ tools: [tool] });
    await call("work");
    expect(signal?.aborted).toBe(false);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("the log", () => {
  it("has one line per call, with its outcome and without arguments, results or keys", async () => {
    const { logger, lines } = recording();
    const { call } = testApp({ logger });
    const secret = "canary-4711";
    await call("add_note", { note: secret, idempotency_key: secret });
    await call("add_note", { note: secret, idempotency_key: secret });
    await call("store_value", { key: secret, value: secret });
    await call("get_value", { key: secret });
    await call("get_notes", { cursor: secret }).catch(() => {});
    expect(lines.map(({ fields }) => [fields.tool, fields.outcome])).toEqual([
      ["add_note", "ok"],
      ["add_note", "replayed"],
      ["store_value", "ok"],
      ["get_value", "ok"],
      ["get_notes", "invalid_input"],
    ]);
    expect(new Set(lines.map(({ fields }) => fields.request_id)).size).toBe(5);
    expect(JSON.stringify(lines)).not.toContain(secret);
  });

  it("of a tool names the call", async () => {
    const { logger, lines } = recording();
    const tool = toolThat(({ log }) => {
      log.info({ step: 1 }, "working");
      return { done: true };
    });
    await testApp({ logger, tools: [tool] }).call("work");
    expect(lines[0]).toMatchObject({ message: "working", fields: { step: 1, tool: "work" } });
    expect(lines[0]?.fields.request_id).toBe(lines[1]?.fields.request_id);
  });
});

describe("an AppError of a tool", () => {
  it("reaches the caller as it is", async () => {
    const error = new AppError("conflict", "Not now.", { details: { why: "because" }, retryAfterSeconds: 3 });
    const tool = toolThat(() => {
      throw error;
    });
    await expect(testApp({ tools: [tool] }).call("work")).rejects.toBe(error);
  });
});

describe("half of a surrogate pair", () => {
  const half = defineTool({
    name: "half",
    description: "Answers with half a character.",
    session: "none",
    input: z.object({ text: z.string().optional(), fails: z.boolean().optional() }),
    output: z.object({ text: z.string(), list: z.array(z.unknown()) }),
    run: async ({ fails }) => {
      if (fails) throw new AppError("conflict", `cut ${"😀".slice(0, 1)}`);
      return { text: "😀".slice(0, 1), list: [{ "\udc00": "a😀" }] };
    },
  });

  it("comes in nowhere and leaves nowhere", async () => {
    const { call } = testApp({ tools: [half] });
    const refused = { code: "invalid_input", message: expect.stringContaining("text: the text holds half") };
    await expect(call("half", { text: "a\ud800" })).rejects.toMatchObject(refused);
    await expect(call("half", { fails: true })).rejects.toMatchObject({ message: "cut \ufffd" });
    const answer = await call("half", { text: "😀" });
    expect(answer.text).toBe("\ufffd");
    expect(JSON.stringify(answer.list)).toContain("a😀");
    // The name of a member too.
    expect(JSON.stringify(answer)).not.toMatch(/\\ud/);
  });
});
