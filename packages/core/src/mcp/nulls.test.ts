import { expect, test } from "vitest";
import { withoutNulls } from "./nulls.ts";

test("null means absent for what may be left out, and is left where it is a value", () => {
  const call = (params: unknown) => ({ jsonrpc: "2.0", id: 1, method: "tools/call", params });
  expect(withoutNulls(call(null))).toEqual({ jsonrpc: "2.0", id: 1, method: "tools/call" });
  expect(withoutNulls(call({ name: "a", arguments: null, _meta: null, cursor: null }))).toEqual(call({ name: "a" }));
  const value = call({ name: "store_value", arguments: { key: "k", value: null } });
  expect(withoutNulls(value)).toBe(value);
  expect(withoutNulls([call({ arguments: null }), null, 3])).toEqual([call({}), null, 3]);
  const initialize = { method: "initialize", params: { capabilities: { roots: null }, clientInfo: { title: null } } };
  expect(withoutNulls(initialize)).toEqual({ method: "initialize", params: { capabilities: {}, clientInfo: {} } });
});
