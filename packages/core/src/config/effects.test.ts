import { expect, it } from "vitest";
import { type Carrier, settingsWithoutEffect } from "./effects.ts";
import { readConfig } from "./settings.ts";

const TOKEN = "0123456789abcdef0123456789abcdef";

it.each<[Carrier, Record<string, string>, RegExp[]]>([
  ["http", {}, []],
  ["http", { DYNAMODB_ENDPOINT_URL: "http://127.0.0.1:8000" }, [/^DYNAMODB_ENDPOINT_URL .*MCP_STATE_BACKEND=dynamodb/]],
  ["http", { DYNAMODB_ENDPOINT_URL: "http://127.0.0.1:8000", MCP_STATE_BACKEND: "dynamodb" }, []],
  ["stdio", { MCP_SESSION_TABLE: "mine", MCP_STATE_BACKEND: "memory" }, [/^MCP_SESSION_TABLE /]],
  ["http", { STATEFUL_MCP_OAUTH_AUDIENCE: "x" }, [/^STATEFUL_MCP_OAUTH_AUDIENCE .*STATEFUL_MCP_OAUTH_ISSUER/]],
  ["stdio", { MCP_AUTH_TOKEN: TOKEN }, [/^MCP_AUTH_TOKEN .*HTTP/]],
  ["http", { MCP_AUTH_TOKEN: TOKEN }, []],
  ["http", { STATEFUL_MCP_TRUST_AUTHORIZER: "off" }, [/^STATEFUL_MCP_TRUST_AUTHORIZER .*Lambda/]],
  ["command", { STATEFUL_MCP_TRUST_AUTHORIZER: "on", MCP_AUTH_TOKEN: TOKEN }, []],
  [
    "http",
    { STATEFUL_MCP_ITEM_SCAN: "off", STATEFUL_MCP_BLOB_MAX_BYTES: "9", MCP_STATE_BACKEND: "memory" },
    [/./, /./],
  ],
  ["http", { DYNAMODB_ENDPOINT_URL: " " }, []],
])("over %s, %j is told as %j", (carrier, environment, expected) => {
  const told = settingsWithoutEffect(readConfig(environment), environment, carrier);
  expect(told).toEqual(expected.map((pattern) => expect.stringMatching(pattern)));
  expect(told.join()).not.toContain(TOKEN);
});
