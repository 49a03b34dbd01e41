// How AWS writes a trace, and how W3C does.
import { expect, test } from "vitest";
import { traceparentOf } from "./tracing.ts";

const ROOT = "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700";
test.each([
  [`${ROOT};Parent=9a9197af755a6419;Sampled=1`, "00-5bef4de7ad49b0e87f6ef6c87fc2e700-9a9197af755a6419-01"],
  [`${ROOT};Parent=9a9197af755a6419;Sampled=0`, "00-5bef4de7ad49b0e87f6ef6c87fc2e700-9a9197af755a6419-00"],
  [
    `${ROOT};Parent=9a9197af755a6419;Sampled=1;Lineage=1:fc3b4ff1:0`,
    "00-5bef4de7ad49b0e87f6ef6c87fc2e700-9a9197af755a6419-01",
  ],
  [`${ROOT};Sampled=1`, undefined],
  [ROOT, undefined],
  ["", undefined],
  [undefined, undefined],
])("%s", (invocation, traceparent) => expect(traceparentOf(invocation)).toBe(traceparent));
