// What callers are told, and when, while the store is away.
import { expect, it } from "vitest";
import * as z from "zod";
import { createApp } from "../app.ts";
import { defineTool } from "../define/tool.ts";
import { AppError } from "../errors.ts";
import { LOCAL_PRINCIPAL } from "../principal.ts";
import { MemoryStore } from "../stores/memory-store.ts";

/** From a moment on, updates are never answered. */
class SilentStore extends MemoryStore {
  silent = false;
  override update(...given: Parameters<MemoryStore["update"]>): ReturnType<MemoryStore["update"]> {
    return this.silent ? new Promise(() => {}) : super.update(...given);
  }
}

it.each([
  { what: "a keyed call", more: { idempotent: true }, key: { idempotency_key: "once" } },
  { what: "a cached call", more: { cache: {} }, key: {} },
] as const)(
  "$what that the store fails is answered without waiting for its lease to be let go",
  async ({ more, key }) => {
    const store = new SilentStore();
    const failing = defineTool({
      name: "failing",
      title: "Failing",
      description: "Finds the store gone.",
      input: z.object({}),
      output: z.object({}),
      session: "none",
      ...more,
      run: async () => {
        store.silent = true;
        throw new AppError("unavailable", "The store is away.");
      },
    });
    const app = createApp({ store, tools: [failing] });
    const call = app.call({ name: "failing", arguments: key, principal: LOCAL_PRINCIPAL });
    await expect(call).rejects.toMatchObject({ code: "unavailable" });
  },
);
