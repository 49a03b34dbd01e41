// Names and numbers are the SDK's.
import * as sdk from "@modelcontextprotocol/server";
import { expect, it } from "vitest";
import { metadataUrl } from "./auth/access.ts";
import { defineResource } from "./define/resource.ts";
import * as ours from "./protocol.ts";

it("has the official SDK's names and numbers", () => {
  const own = Object.entries(ours).filter(([name]) => name.endsWith("_META_KEY"));
  expect(own).toHaveLength(7);
  expect(sdk).toMatchObject(Object.fromEntries(own));
  expect(ours.LEGACY_REVISIONS).toEqual(sdk.SUPPORTED_PROTOCOL_VERSIONS);
  expect(ours.INVALID_PARAMS).toBe(sdk.ProtocolErrorCode.InvalidParams);
  expect(ours.INTERNAL_ERROR).toBe(sdk.ProtocolErrorCode.InternalError);
});

it.each([
  [new sdk.ProtocolError(-32_000, "x"), true],
  [new sdk.UrlElicitationRequiredError([], "x"), true],
  [Object.assign(new Error("x"), { code: -32_000 }), false],
  [Object.assign(new Error("x"), { code: "ENOENT" }), false],
  [new DOMException("x", "AbortError"), false],
  [undefined, false],
])("knows an error of the protocol: %s", async (thrown, is) => {
  expect(await ours.isProtocolError(thrown)).toBe(is);
});

it.each([{ resultType: "input_required" }, { resultType: "complete" }, [], null, "input_required"])(
  "knows a question as the SDK does: %j",
  (value) => expect(ours.isInputRequiredResult(value)).toBe(sdk.isInputRequiredResult(value)),
);

it.each(["https://a.example/mcp", "https://a.example/", "https://a.example/x/?y=1#z", "https://a.example:8443/a/b/"])(
  "finds the metadata of %s where the SDK does",
  (url) => expect(metadataUrl(new URL(url))).toBe(sdk.getOAuthProtectedResourceMetadataUrl(new URL(url))),
);

it.each(["note://{id}", "note://{a}/x/{b}", "file:///{+path}", "q://x?y={a}.z({b})"])(
  "matches and makes URIs of the template %s as the SDK does",
  (template) => {
    const resource = defineResource({ uri: template, name: "n", description: "d", read: () => "" });
    const theirs = new sdk.UriTemplate(template);
    const values = ["a", "a b", "a/b", "a,b", "ä", "%2F", "", "(.*)"];
    for (const a of values)
      for (const b of values) {
        const given = { id: a, a, b, path: a };
        const uri = resource.expand(given);
        expect(uri).toBe(theirs.expand(given));
        const found = theirs.match(uri);
        const decoded =
          found &&
          Object.fromEntries(Object.entries(found).map(([name, of]) => [name, decodeURIComponent(String(of))]));
        expect(resource.match(uri)).toEqual(decoded ?? undefined);
      }
  },
);
