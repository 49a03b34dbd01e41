import { describe, expect, it } from "vitest";
import { AppError } from "../errors.ts";
import type { ItemStore } from "../items/item-store.ts";
import { DEFAULT_LIMITS } from "../limits.ts";
import { itemTablesFrom } from "./bind.ts";
import { describeConfig } from "./describe.ts";
import { readConfig, SETTINGS } from "./settings.ts";

function refusal(environment: Record<string, string>): string {
  try {
    readConfig(environment);
  } catch (error) {
    expect(error).toBeInstanceOf(AppError);
    expect((error as AppError).code).toBe("invalid_input");
    expect((error as AppError).message).not.toContain("\n");
    return (error as AppError).message;
  }
  throw new Error("the configuration was accepted");
}

describe("readConfig", () => {
  it("needs nothing set", () => {
    // The bounds on open streams, arriving bodies and unread answers are not for operators to set.
    const {
      listensPerPrincipal: _,
      listensPerProcess: __,
      arrivingBytesPerCaller: _____,
      arrivingBytesPerProcess: ______,
      unsentBytesPerCaller: ___,
      unsentBytesPerProcess: ____,
      ...limits
    } = DEFAULT_LIMITS;
    expect(readConfig({})).toEqual({
      backend: "local",
      table: "mcp_state",
      host: "127.0.0.1",
      port: 3333,
      logLevel: "info",
      telemetry: "native",
      environment: "development",
      tokenCacheSeconds: 5,
      trustAuthorizer: false,
      metrics: false,
      sessionTtlSeconds: 0,
      sessionMaxSeconds: 7_776_000,
      cacheTtlSeconds: 900,
      taskTtlSeconds: 86_400,
      allowedHosts: [],
      allowedOrigins: [],
      trustedProxies: [],
      confirm: [],
      itemTables: [],
      itemModes: new Map(),
      itemScan: true,
      oauthClients: [],
      oauthRequireScopes: true,
      principalClaim: "sub",
      ...limits,
    });
  });

  it("lets sessions expire after a day on shared backends and never on the local one", () => {
    expect(readConfig({ MCP_STATE_BACKEND: "dynamodb" }).sessionTtlSeconds).toBe(86_400);
    expect(readConfig({ MCP_STATE_BACKEND: "memory" }).sessionTtlSeconds).toBe(86_400);
    expect(readConfig({ MCP_STATE_BACKEND: "dynamodb", STATEFUL_MCP_SESSION_TTL_SECONDS: "0" }).sessionTtlSeconds).toBe(
      0,
    );
    expect(readConfig({ STATEFUL_MCP_SESSION_TTL_SECONDS: "3600" }).sessionTtlSeconds).toBe(3600);
  });

  it("takes enumerated values in any case", () => {
    const config = readConfig({ MCP_STATE_BACKEND: "DYNAMODB", LOG_LEVEL: "INFO" });
    expect(config).toMatchObject({ backend: "dynamodb", logLevel: "info" });
  });

  it("takes a table name under either of its names, and refuses two that differ", () => {
    expect(readConfig({ MCP_SESSION_TABLE: "sessions" }).table).toBe("sessions");
    expect(readConfig({ MCP_SESSION_TABLE: "one", MCP_STATE_TABLE: "one" }).table).toBe("one");
    expect(refusal({ MCP_SESSION_TABLE: "one", MCP_STATE_TABLE: "two" })).toContain(
      "MCP_STATE_TABLE and MCP_SESSION_TABLE",
    );
  });

  it("takes networks of proxies, and nothing that is none", () => {
    const { trustedProxies } = readConfig({ STATEFUL_MCP_TRUSTED_PROXIES: "10.0.0.0/8, 192.0.2.1 ,2001:db8::/32" });
    expect(trustedProxies).toEqual(["10.0.0.0/8", "192.0.2.1", "2001:db8::/32"]);
    for (const wrong of [
      "10.0.0.0/33",
      "10.0.0",
      "2001:db8::/129",
      "proxy.example",
      "10.0.0.0/8/8",
      "10.0.0.1/",
      "all",
    ])
      expect(refusal({ STATEFUL_MCP_TRUSTED_PROXIES: wrong })).toContain("such as 10.0.0.0/8");
  });

  it("splits lists and drops the blanks around their parts", () => {
    const { allowedHosts } = readConfig({ STATEFUL_MCP_ALLOWED_HOSTS: "API.example.com, [::1] ,internal" });
    expect(allowedHosts).toEqual(["api.example.com", "[::1]", "internal"]);
  });

  it("takes tables for the item tools, read-only unless their mode says otherwise", () => {
    const config = readConfig({ DYNAMODB_TABLE_NAME: "orders, archive", STATEFUL_MCP_ITEM_MODES: "orders:RW" });
    expect(itemTablesFrom(config, {} as ItemStore)).toMatchObject({
      tables: [
        { name: "orders", mode: "read-write" },
        { name: "archive", mode: "read-only" },
      ],
      scan: true,
    });
    expect(itemTablesFrom(readConfig({}), {} as ItemStore)).toBeUndefined();
  });

  it.each([
    [{ DYNAMODB_TABLE_NAME: "mcp_state" }, /mcp_state, which is the state table/],
    [{ DYNAMODB_TABLE_NAME: "a b" }, /expected comma-separated DynamoDB table names/],
    [{ STATEFUL_MCP_ITEM_MODES: "orders:rw" }, /orders, which is not in DYNAMODB_TABLE_NAME/],
    [{ DYNAMODB_TABLE_NAME: "orders", STATEFUL_MCP_ITEM_MODES: "orders:write" }, /table:ro` or `table:rw/],
    [{ DYNAMODB_TABLE_NAME: "orders", STATEFUL_MCP_ITEM_MODES: "orders:constructor" }, /table:ro` or `table:rw/],
  ])("refuses tables as in %j", (environment, message) => {
    expect(() => readConfig(environment)).toThrow(message);
  });

  it("counts an empty value as not set", () => {
    expect(readConfig({ PORT: "", MCP_AUTH_TOKEN: " ", STATEFUL_MCP_ALLOWED_HOSTS: "" })).toEqual(readConfig({}));
  });

  it.each([
    ["MCP_STATE_BACKEND", "redis", "local, dynamodb, memory"],
    ["MCP_STATE_TABLE", "a b", "table name"],
    ["MCP_SESSION_TABLE", "a b", "table name"],
    ["PORT", "http", "a whole number from 0 to 65535"],
    ["PORT", "65536", "a whole number from 0 to 65535"],
    ["PORT", "-1", "a whole number"],
    ["PORT", "1e3", "a whole number"],
    ["LOG_LEVEL", "loud", "debug, info, warn, error, silent"],
    ["DYNAMODB_ENDPOINT_URL", "localhost:8000", "http://"],
    ["STATEFUL_MCP_SESSION_TTL_SECONDS", "1.5", "0 (never) or a whole number from 60"],
    ["STATEFUL_MCP_SESSION_TTL_SECONDS", "59", "0 (never) or a whole number from 60"],
    ["STATEFUL_MCP_CACHE_TTL_SECONDS", "0", "a whole number from 1"],
    ["STATEFUL_MCP_ALLOWED_HOSTS", "https://example.com", "host names"],
    ["STATEFUL_MCP_ALLOWED_HOSTS", "a,,b", "host names"],
    ["STATEFUL_MCP_ALLOWED_ORIGINS", "app.example:8080", "origins with scheme, host and port"],
    ["STATEFUL_MCP_ALLOWED_ORIGINS", "https://app.example/", "origins with scheme, host and port"],
  ])("refuses %s=%s in one line that names the variable, the value and what is allowed", (name, value, allowed) => {
    const message = refusal({ [name]: value });
    expect(message).toContain(name);
    expect(message).toContain(JSON.stringify(value));
    expect(message).toContain(allowed);
  });

  it("refuses an unknown STATEFUL_MCP_ name and suggests the nearest", () => {
    expect(refusal({ STATEFUL_MCP_CACHE_TTL_SECOND: "5" })).toBe(
      "STATEFUL_MCP_CACHE_TTL_SECOND is not a setting of this version; did you mean STATEFUL_MCP_CACHE_TTL_SECONDS?",
    );
    expect(refusal({ STATEFUL_MCP_COMPLETELY_DIFFERENT: "5" })).toBe(
      "STATEFUL_MCP_COMPLETELY_DIFFERENT is not a setting of this version",
    );
  });

  it("refuses a session that would outlive its hard end", () => {
    expect(refusal({ STATEFUL_MCP_SESSION_TTL_SECONDS: "7200", STATEFUL_MCP_SESSION_MAX_SECONDS: "3600" })).toContain(
      "3600",
    );
  });
});

describe("describeConfig", () => {
  it("has one row per variable, and every default is a value the variable allows", () => {
    expect(describeConfig()).toHaveLength(Object.keys(SETTINGS).length);
    for (const row of describeConfig()) expect(row.default).not.toBe("``");
  });
});
