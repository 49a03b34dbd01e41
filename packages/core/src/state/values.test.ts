import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { testApp } from "../testing/test-app.ts";

describe("a value", () => {
  it("of any JSON comes back as it was stored, with its type", async () => {
    const { call } = testApp();
    const json = fc.jsonValue();
    await fc.assert(
      fc.asyncProperty(json, async (value) => {
        await call("store_value", { key: "k", value });
        expect(await call("get_value", { key: "k" })).toMatchObject({ found: true });
        expect(JSON.stringify((await call("get_value", { key: "k" })).value)).toBe(JSON.stringify(value));
      }),
    );
  });

  it.each([123, "123", 0, -0, 1.5, 1e300, 1e-300, 5e-324, 2 ** 53 + 2, true, null, "", [], {}, [null]])(
    "%j keeps its type",
    async (value) => {
      const { call } = testApp();
      await call("store_value", { key: "k", value });
      expect((await call("get_value", { key: "k" })).value).toEqual(value === 0 ? 0 : value);
    },
  );

  it("given as JSON text is the value that the text says, with its type", async () => {
    const { call } = testApp();
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), async (value) => {
        const json = JSON.stringify(value);
        const type = value === null ? "null" : Array.isArray(value) ? "array" : typeof value;
        expect(await call("store_value", { key: "k", value_json: json })).toMatchObject({ type });
        expect(JSON.stringify((await call("get_value", { key: "k" })).value)).toBe(json);
      }),
    );
    // What a host makes of a number without a type, and what the number is for.
    expect(await call("store_value", { key: "n", value: "8" })).toMatchObject({ type: "string" });
    expect(await call("store_value", { key: "n", value: null, value_json: " 8 " })).toMatchObject({ type: "number" });
    expect(await call("increment_value", { key: "n" })).toMatchObject({ value: 9 });
    expect(await call("store_value", { key: "n", value: null })).toMatchObject({ type: "null" });
  });

  it.each([
    [{}, "value", "missing"],
    [{ value: 1, value_json: "1" }, "value_json", "both"],
    [{ value_json: "{" }, undefined, "value_json is not valid JSON"],
    [{ value_json: '{"a": [9007199254740993]}' }, "value_json", "value_json.a.0: the number 9007199254740993"],
    [{ value_json: '"\\ud800"' }, "value_json", "half of a surrogate pair"],
    [{ value_json: "[".repeat(100) + "]".repeat(100) }, undefined, "nests deeper"],
  ])("of %j is refused, and nothing is stored", async (args, field, message) => {
    const { call } = testApp();
    await expect(call("store_value", { key: "k", ...args })).rejects.toMatchObject({
      code: "invalid_input",
      message: expect.stringContaining(message),
      ...(field && { details: { field } }),
    });
    expect(await call("get_value", { key: "k" })).toMatchObject({ found: false });
  });

  it("has a version that counts its changes, across processes and kinds of change", async () => {
    const one = testApp();
    const two = testApp(one);
    expect(await one.call("store_value", { key: "k", value: 1 })).toMatchObject({ version: 1 });
    expect(await two.call("increment_value", { key: "k" })).toMatchObject({ value: 2, version: 2 });
    expect(await one.call("store_value", { key: "k", value: "x" })).toMatchObject({ version: 3 });
    expect(await two.call("get_value", { key: "k" })).toMatchObject({ version: 3 });
  });

  it("beyond the limit of its session is refused; those that are there may change, and deleting makes room", async () => {
    const one = testApp({ limits: { valuesPerSession: 5 } });
    const { call } = one;
    for (let i = 0; i < 3; i++) await call("store_value", { key: `k${i}`, value: i });
    for (let i = 3; i < 5; i++) await call("increment_value", { key: `k${i}` });
    const refused = { code: "too_large", message: expect.stringContaining("5 values. Delete some") };
    await expect(call("store_value", { key: "more", value: 1 })).rejects.toMatchObject(refused);
    await expect(call("increment_value", { key: "more" })).rejects.toMatchObject(refused);
    expect(await call("store_value", { key: "k0", value: "changed" })).toMatchObject({ version: 2 });
    expect(await call("increment_value", { key: "k4" })).toMatchObject({ value: 2 });
    await call("delete_value", { key: "k1" });
    expect(await call("store_value", { key: "more", value: 1 })).toMatchObject({ version: 1 });
    await expect(call("store_value", { key: "yet more", value: 1 })).rejects.toMatchObject(refused);
    expect(await call("store_value", { session_id: "other", key: "k", value: 1 })).toMatchObject({ version: 1 });
    await call("reset_session");
    expect(await call("store_value", { key: "new", value: 1 })).toMatchObject({ version: 1 });
  });

  it("that moved on is a conflict for if_version, which tells the current version", async () => {
    const { call } = testApp();
    await call("store_value", { key: "k", value: 1, if_version: 0 });
    const conflict = (current_version: number) => ({ code: "conflict", details: { current_version } });
    await expect(call("store_value", { key: "k", value: 2, if_version: 0 })).rejects.toMatchObject(conflict(1));
    await expect(call("store_value", { key: "k", value: 2, if_version: 2 })).rejects.toMatchObject(conflict(1));
    await expect(call("store_value", { key: "new", value: 2, if_version: 1 })).rejects.toMatchObject(conflict(0));
    await expect(call("delete_value", { key: "k", if_version: 2 })).rejects.toMatchObject(conflict(1));
    await expect(call("delete_value", { key: "new", if_version: 2 })).rejects.toMatchObject(conflict(0));
    expect(await call("store_value", { key: "k", value: 2, if_version: 1 })).toMatchObject({ version: 2 });
    expect(await call("delete_value", { key: "k", if_version: 2 })).toMatchObject({ deleted: true });
  });

  it("stored by many at one version is stored by one of them", async () => {
    const one = testApp();
    const two = testApp(one);
    await one.call("store_value", { key: "k", value: 0 });
    const outcomes = await Promise.allSettled(
      Array.from({ length: 20 }, (_, i) =>
        (i % 2 ? one : two).call("store_value", { key: "k", value: i, if_version: 1 }),
      ),
    );
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  });

  it("deleted is gone for every read, and stored again goes on counting versions", async () => {
    const { call } = testApp();
    await call("store_value", { key: "k", value: 1 });
    expect(await call("delete_value", { key: "k" })).toMatchObject({ deleted: true });
    expect(await call("delete_value", { key: "k" })).toMatchObject({ deleted: false });
    expect(await call("get_value", { key: "k" })).toMatchObject({ found: false, value: null, version: 0 });
    expect((await call("list_values")).values).toEqual([]);
    expect(await call("increment_value", { key: "k", by: 3 })).toMatchObject({ value: 3 });
  });

  it("over the limit is refused with the limit", async () => {
    const { call } = testApp();
    await call("store_value", { key: "k", value: "x".repeat(59_998) });
    await expect(call("store_value", { key: "k", value: "x".repeat(59_999) })).rejects.toMatchObject({
      code: "too_large",
      message: expect.stringContaining("60000"),
    });
  });

  it("nested too deeply is refused, however it arrived", async () => {
    const { call } = testApp();
    const deep = JSON.parse("[".repeat(5_000) + "]".repeat(5_000));
    await expect(call("store_value", { key: "k", value: deep })).rejects.toMatchObject({ code: "invalid_input" });
  });

  it.each(["", "x".repeat(257), "é".repeat(129), "\ud800"])("under the key %j is refused", async (key) => {
    const { call } = testApp();
    for (const [name, args] of [
      ["store_value", { value: 1 }],
      ["get_value", {}],
      ["delete_value", {}],
      ["increment_value", {}],
    ] as const)
      await expect(call(name, { ...args, key })).rejects.toMatchObject({ code: "invalid_input" });
  });

  it.each(["a#b", "N#1", "%", "é".repeat(128), "🎉", "__proto__", "constructor", " ", "a/b"])(
    "under the key %j is found again, alone",
    async (key) => {
      const { call } = testApp();
      await call("store_value", { key, value: "mine" });
      expect(await call("get_value", { key })).toMatchObject({ key, value: "mine" });
      expect((await call("list_values")).values).toEqual([{ key, version: 1 }]);
    },
  );
});

describe("an increment", () => {
  it("of many at once, in and across processes, loses none, and each is answered as if alone", async () => {
    const one = testApp();
    const processes = [one, testApp(one), testApp(one)];
    const answers = await Promise.all(
      Array.from({ length: 90 }, (_, i) => processes[i % 3]?.call("increment_value", { key: "n" })),
    );
    const sorted = (field: string) => answers.map((answer) => Number(answer?.[field])).sort((a, b) => a - b);
    const upTo90 = Array.from({ length: 90 }, (_, i) => i + 1);
    expect(sorted("value")).toEqual(upTo90);
    expect(sorted("version")).toEqual(upTo90);
  });

  it("adds in decimal", async () => {
    const { call } = testApp();
    for (let i = 0; i < 9; i++) await call("increment_value", { key: "n", by: 0.1 });
    expect(await call("increment_value", { key: "n", by: 0.1 })).toMatchObject({ value: 1, version: 10 });
  });

  it("of something that is no number is a conflict", async () => {
    const { call } = testApp();
    for (const value of ["1", null, [1], { n: 1 }, true]) {
      await call("store_value", { key: "k", value });
      await expect(call("increment_value", { key: "k" })).rejects.toMatchObject({ code: "conflict" });
    }
  });

  it.each([-0, 1e-300, 5e-324, 1e200, -1e126, Number.MAX_VALUE])(
    "by %d is done or refused as invalid, keyed or not",
    async (by) => {
      const { call } = testApp();
      for (const key of [{}, { idempotency_key: "k" }]) {
        const outcome = call("increment_value", { key: "n", by, ...key });
        if (Object.is(by, -0)) expect(await outcome).toMatchObject({ value: 0 });
        else await expect(outcome).rejects.toMatchObject({ code: "invalid_input" });
      }
    },
  );
});

describe("list_values", () => {
  it("lists in the order of the names, by prefix, in pages that miss none", async () => {
    const { call } = testApp();
    const keys = ["b/1", "a", "b/2", "c", "b/", "b", "b/3%", "é"];
    for (const key of keys) await call("store_value", { key, value: 1 });
    const list = async (args: object) => {
      const seen: string[] = [];
      let cursor: unknown;
      do {
        const page = await call("list_values", { ...args, ...(cursor ? { cursor } : {}) });
        seen.push(...(page.values as { key: string }[]).map(({ key }) => key));
        cursor = page.next_cursor;
      } while (cursor);
      return seen;
    };
    expect(new Set(await list({ limit: 3 }))).toEqual(new Set(keys));
    expect(await list({ prefix: "b/", limit: 1 })).toEqual(["b/", "b/1", "b/2", "b/3%"]);
    expect(await list({ prefix: "nothing" })).toEqual([]);
  });
});

describe("names and keys that look alike", () => {
  const composed = "caf\u00e9";
  const decomposed = "cafe\u0301";

  it("are one, in either spelling", async () => {
    const { call } = testApp();
    await call("store_value", { session_id: composed, key: decomposed, value: 1 });
    expect(await call("get_value", { session_id: decomposed, key: composed })).toMatchObject({ found: true, value: 1 });
    const { values } = await call("list_values", { session_id: composed, prefix: decomposed });
    expect(values).toEqual([{ key: composed, version: 1 }]);
    expect(await call("increment_value", { session_id: composed, key: composed })).toMatchObject({ value: 2 });
    expect(await call("delete_value", { session_id: decomposed, key: decomposed })).toMatchObject({ deleted: true });
  });

  it.each(["a\u200b", "\u202eabc", "a\u2060b", "\ufeffa", "a\u00ad", "a\u0007", "a\u200d"])(
    "are refused when they hold what a person cannot see: %j",
    async (name) => {
      const { call } = testApp();
      await expect(call("store_value", { key: name, value: 1 })).rejects.toMatchObject({ code: "invalid_input" });
      await expect(call("add_note", { session_id: name, note: "x" })).rejects.toMatchObject({ code: "invalid_input" });
    },
  );

  it("may be emoji that are joined", async () => {
    const { call } = testApp();
    for (const key of [
      "\u{1f469}\u200d\u{1f4bb}",
      "\u{1f3f3}\ufe0f\u200d\u{1f308}",
      "\u{1f469}\u{1f3fd}\u200d\u{1f680}",
    ])
      expect(await call("store_value", { key, value: 1 })).toMatchObject({ version: 1 });
  });
});

describe("the end of a value", () => {
  it("stays as it is with keep_ttl, and else is the session's", async () => {
    const { call, clock } = testApp();
    const store = (more: object) => call("store_value", { key: "k", value: 1, ...more });
    const isThere = async () => (await call("get_value", { key: "k" })).found;
    await store({ ttl_seconds: 100 });
    clock.advance(60);
    await store({ keep_ttl: true });
    expect(await isThere()).toBe(true);
    clock.advance(60);
    expect(await isThere()).toBe(false);

    await store({ ttl_seconds: 100 });
    await store({});
    clock.advance(120);
    expect(await isThere()).toBe(true);

    // One that has none of its own, or is not there, has none afterwards.
    await store({ keep_ttl: true });
    await call("delete_value", { key: "k" });
    await store({ keep_ttl: true });
    clock.advance(120);
    expect(await isThere()).toBe(true);
  });

  it("cannot be kept and set at once", async () => {
    const { call } = testApp();
    await expect(call("store_value", { key: "k", value: 1, ttl_seconds: 5, keep_ttl: true })).rejects.toThrow(
      "keep_ttl and ttl_seconds contradict each other. Send one of them.",
    );
  });
});
