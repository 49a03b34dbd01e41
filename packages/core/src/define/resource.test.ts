import { describe, expect, it } from "vitest";
import { definePrompt } from "./prompt.ts";
import { defineResource, ResourceTable } from "./resource.ts";

const common = { name: "thing", description: "A thing.", read: () => "text" };

describe("a resource that cannot work", () => {
  it.each([
    ["not a uri", "not an absolute URI"],
    ["x://{a}/{a}", "stands in it twice"],
    ["x://{?q}", "neither {name} nor {+name}"],
    ["x://{a,b}", "neither {name} nor {+name}"],
  ])("is refused at start: %s", (uri, why) => {
    expect(() => defineResource({ ...common, uri })).toThrow(why);
  });

  it("is refused for a list of one, an unknown variable, or a missing description", () => {
    expect(() => defineResource({ ...common, uri: "x://one", list: () => [] })).toThrow("must not have a list");
    const complete: object = { b: () => [] };
    expect(() => defineResource({ ...common, uri: "x://{a}", complete })).toThrow("completes b");
    expect(() => defineResource({ ...common, uri: "x://one", description: " " })).toThrow("a name and a description");
    const twice = [defineResource({ ...common, uri: "x://one" }), defineResource({ ...common, uri: "x://one" })];
    expect(() => new ResourceTable(twice)).toThrow("Two resources have the URI x://one");
  });
});

describe("a URI", () => {
  const table = new ResourceTable([
    defineResource({ ...common, uri: "x://{a}/end" }),
    defineResource({ ...common, uri: "files://{+path}" }),
    defineResource({ ...common, uri: "x://fixed/end" }),
  ]);

  it.each([
    ["x://fixed/end", "x://fixed/end", {}],
    ["x://a%2Fb/end", "x://{a}/end", { a: "a/b" }],
    ["files://a/b/c", "files://{+path}", { path: "a/b/c" }],
  ])("means one resource: %s", (uri, template, variables) => {
    const found = table.find(uri);
    expect(found?.resource.uri).toBe(template);
    expect(found?.variables).toEqual(variables);
  });

  it.each(["x://a/b/end", "x:///end", "x://%zz/end", "y://a/end", `x://${"a".repeat(3000)}/end`])(
    "means none: %#",
    (uri) => {
      expect(table.find(uri)).toBeUndefined();
    },
  );

  it("that a template makes is one that it matches, whatever is in it", () => {
    for (const a of ["plain", "with space", "a/b,c", "ünïcode", "100%", "{a}"]) {
      const [resource] = table.all.filter((one) => one.uri === "x://{a}/end");
      expect(resource?.match(resource.expand({ a }))).toEqual({ a });
    }
  });
});

describe("a prompt that cannot work", () => {
  it("is refused at start", () => {
    expect(() => definePrompt({ name: "two words", description: "x", run: () => "" })).toThrow("its name must be");
    expect(() => definePrompt({ name: "x", description: "", run: () => "" })).toThrow("it needs a description");
  });
});
