import assert from "node:assert/strict";
import { test } from "node:test";
import { testApp } from "@stateful-mcp/core/testing";
import { incrementCounter } from "./app.ts";

test("the counter adds up", async () => {
  const { call } = testApp({ tools: [incrementCounter] });
  await call("increment_counter", { by: 2 });
  assert.deepEqual(await call("increment_counter"), { session_id: "default", counter: 3 });
});
