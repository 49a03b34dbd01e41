import { describe, expect, it } from "vitest";
import { traceOf } from "./trace.ts";

const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

describe("the trace of a request", () => {
  it("is read from _meta, with the headers to pass on", () => {
    const trace = traceOf({ traceparent, tracestate: "rojo=00f067aa0ba902b7, congo=t61", baggage: "user=alice;ttl=1" });
    expect(trace).toEqual({
      traceId: "0af7651916cd43dd8448eb211c80319c",
      spanId: "b7ad6b7169203331",
      headers: { traceparent, tracestate: "rojo=00f067aa0ba902b7,congo=t61", baggage: "user=alice;ttl=1" },
    });
  });

  it.each([
    undefined,
    7,
    "",
    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
    "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "00-00000000000000000000000000000000-b7ad6b7169203331-01",
    "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
    "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
    `${traceparent}\n`,
    `${traceparent}-extra`,
  ])("is none when traceparent is %j", (given) => {
    expect(traceOf({ traceparent: given })).toBeUndefined();
  });

  it.each([
    ["tracestate", "a=1\r\nX-Evil: 1"],
    ["tracestate", `a=${"1".repeat(600)}`],
    ["tracestate", Array.from({ length: 33 }, (_, i) => `k${i}=1`).join(",")],
    ["tracestate", "no equals sign"],
    ["baggage", "user=alice\r\nX-Evil: 1"],
    ["baggage", `user=${"a".repeat(9000)}`],
    ["baggage", { user: "alice" }],
  ])("passes on no malformed %s (%#)", (name, value) => {
    expect(traceOf({ traceparent, [name]: value })?.headers).toEqual({ traceparent });
  });
});
