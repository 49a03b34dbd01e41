// Who wins: what the process has chosen, then the app's own code, then the configuration, then what applies at this carrier.
import { expect, it } from "vitest";
import { createApp } from "../app.ts";
import { silentLogger } from "../logger.ts";
import { MemoryStore } from "../stores/memory-store.ts";
import { bindApp } from "./bind.ts";
import { readConfig } from "./settings.ts";

const parts = { store: new MemoryStore(), access: { mode: "local" }, logger: silentLogger } as const;
const config = readConfig({ STATEFUL_MCP_CACHE_TTL_SECONDS: "7", STATEFUL_MCP_NOTE_MAX_BYTES: "9" });

it("gives the app what the configuration says", () => {
  const { options } = bindApp(createApp(), config, parts);
  expect(options).toMatchObject({ cache: { ttlSeconds: 7 }, limits: { noteMaxBytes: 9 }, backend: "local" });
});

it("leaves what the app's own code has fixed", () => {
  const own = { cache: { ttlSeconds: 1 }, logger: { ...silentLogger }, subscriptions: true };
  const { options } = bindApp(createApp(own), config, { ...parts, subscriptions: false });
  expect(options).toMatchObject(own);
  expect(options.logger).toBe(own.logger);
});

it("gives it the store and the access that the process has chosen, whatever the app says", () => {
  const app = createApp({ access: { mode: "anonymous" }, store: new MemoryStore() });
  const { options } = bindApp(app, config, parts);
  expect(options.access).toBe(parts.access);
  expect(options.store).toBe(parts.store);
});

it.each([
  [{}, undefined, undefined],
  [{}, false, false],
  [{ STATEFUL_MCP_SUBSCRIPTIONS: "on" }, false, true],
  [{ STATEFUL_MCP_SUBSCRIPTIONS: "off" }, undefined, false],
])("holds streams as %j says, else as the carrier's %s", (environment, carrier, expected) => {
  const bound = bindApp(createApp(), readConfig(environment), {
    ...parts,
    ...(carrier !== undefined && { subscriptions: carrier }),
  });
  expect(bound.options.subscriptions).toBe(expected);
});
