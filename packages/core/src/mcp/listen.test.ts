// subscriptions/listen over instances that share nothing but the store.
import { afterEach, describe, expect, it } from "vitest";
import { interceptStore } from "../../test-support/intercepted-store.ts";
import { framesOf, type ModernOptions, modern, modernFetch, type Wire } from "../../test-support/modern-requests.ts";
import { type App, type AppOptions, createApp } from "../app.ts";
import { parseTokens } from "../auth/tokens.ts";
import { makePrincipal } from "../principal.ts";
import { MemoryStore } from "../stores/memory-store.ts";
import type { StateStore } from "../stores/state-store.ts";

const ALICE = "a".repeat(32);
const BOB = "b".repeat(32);
const access = { mode: "tokens", tokens: parseTokens(`alice=${ALICE},bob=${BOB}`) } as const;
const NOTES = "session://plan/notes";
const opened: App[] = [];

afterEach(async () => {
  for (const app of opened.splice(0)) await app.close();
});

function instance(options: AppOptions): App {
  const app = createApp(options);
  opened.push(app);
  return app;
}

const call = (app: App, name: string, given: Record<string, unknown>, options: ModernOptions = {}) =>
  modern(app, "tools/call", { name, arguments: given }, options);
const addNote = (app: App, token: string) => call(app, "add_note", { session_id: "plan", note: "x" }, { token });

async function listen(app: App, notifications: Record<string, unknown>, options: ModernOptions = {}) {
  const frames = framesOf(await modernFetch(app, "subscriptions/listen", { notifications }, options));
  const next = async (): Promise<Wire> => (await frames.next()).value;
  return { next, acknowledged: (await next()).params?.notifications, end: () => frames.return() };
}

/** Counts, by method, what reaches a real store. */
function counting(store: StateStore): { store: StateStore; count: Record<string, number> } {
  const count: Record<string, number> = {};
  const counted = new Proxy(store, {
    get: (target, name) => {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== "function") return member;
      return (...given: unknown[]) => {
        count[String(name)] = (count[String(name)] ?? 0) + 1;
        return Reflect.apply(member, target, given);
      };
    },
  });
  return { store: counted, count };
}

/** The partitions that are read from a real store, in order. */
function readKeysOf(store: StateStore): { store: StateStore; keys: string[] } {
  const keys: string[] = [];
  const seen = interceptStore(store, ({ method, pk }, send) => {
    if (["get", "getMany", "list"].includes(method)) keys.push(pk);
    return send();
  });
  return { store: seen, keys };
}

describe("a stream of changes", () => {
  it("tells of a write that another instance made, and never another principal", async () => {
    const store = new MemoryStore();
    const [a, b] = [instance({ store, access }), instance({ store, access })];
    const own = await listen(b, { resourceSubscriptions: [NOTES] }, { token: ALICE });
    const foreign = await listen(b, { resourceSubscriptions: [NOTES] }, { token: BOB });
    const told = own.next();
    const toldForeign = foreign.next();
    await addNote(a, ALICE);
    expect(await told).toMatchObject({ method: "notifications/resources/updated", params: { uri: NOTES } });
    // Bob's next message is of his own note: Alice's, which came first, has not reached him.
    await addNote(a, BOB);
    await toldForeign;
    const { result } = await modern(b, "resources/read", { uri: NOTES }, { token: BOB });
    expect(JSON.parse(result.contents[0].text).notes).toHaveLength(1);
    await own.end();
    await foreign.end();
  });

  it("says nothing to another principal while only the first one writes", async () => {
    const { store, count } = counting(new MemoryStore());
    const app = instance({ store, access });
    const foreign = await listen(app, { resourceSubscriptions: [NOTES] }, { token: BOB });
    let told = false;
    void foreign.next().then((message) => {
      told = message !== undefined;
    });
    await addNote(app, ALICE);
    const before = count.get ?? 0;
    // Bob's stream has looked several times since.
    await expect.poll(() => count.get, { timeout: 20_000 }).toBeGreaterThanOrEqual(before + 3);
    expect(told).toBe(false);
    await app.close();
  });

  it("tells of values, of a reset, and of a session in the list", async () => {
    const app = instance({});
    const value = "session://plan/values/color";
    const stream = await listen(app, { resourceSubscriptions: [value], resourcesListChanged: true });
    await call(app, "store_value", { session_id: "plan", key: "color", value: "red" });
    const seen = [await stream.next(), await stream.next()].map(({ method }) => method);
    expect(seen.sort()).toEqual(["notifications/resources/list_changed", "notifications/resources/updated"]);
    const reset = stream.next();
    await call(app, "reset_session", { session_id: "plan" });
    expect(await reset).toMatchObject({ params: { uri: value } });
    await stream.end();
  });

  it("ends with an answer when the server closes", async () => {
    const app = instance({});
    const stream = await listen(app, { resourceSubscriptions: [NOTES] });
    const last = stream.next();
    await app.close();
    expect(await last).toMatchObject({ result: { resultType: "complete" } });
  });

  it("ends with an answer when the server drains, which then refuses another", async () => {
    const app = instance({});
    const { next } = await listen(app, { resourceSubscriptions: [NOTES] });
    const ended = next();
    app.drain();
    expect(await ended).toMatchObject({ result: {} });
    const refused = await modern(app, "subscriptions/listen", { notifications: { resourceSubscriptions: [NOTES] } });
    expect(refused.error.message).toContain("about to end");
  });

  it("acknowledges only what can be watched", async () => {
    const app = instance({});
    const stream = await listen(app, {
      toolsListChanged: true,
      resourceSubscriptions: [NOTES, "session://nothing/of/the/kind", "test://unknown"],
    });
    expect(stream.acknowledged).toEqual({ resourceSubscriptions: [NOTES] });
    await stream.end();
  });

  it("asks the table only while somebody listens", async () => {
    const { store, count } = counting(new MemoryStore());
    const app = instance({ store });
    // A stream on notes gets their session's item; one on the list only lists.
    const stream = await listen(app, { resourceSubscriptions: [NOTES] });
    const before = count.get ?? 0;
    await expect.poll(() => count.get, { timeout: 10_000 }).toBeGreaterThan(before);
    await stream.end();
    const [gets, lists = 0] = [count.get, count.list];
    const other = await listen(app, { resourcesListChanged: true });
    await expect.poll(() => count.list, { timeout: 20_000 }).toBeGreaterThanOrEqual(lists + 4);
    expect(count.get).toBe(gets);
    await other.end();
  });

  it("does not keep a session alive that nobody uses", async () => {
    let now = Date.now();
    const clock = { now: () => now };
    const { store, count } = counting(new MemoryStore({ clock }));
    const app = instance({ store, clock, sessions: { ttlSeconds: 100 } });
    await call(app, "add_note", { session_id: "plan", note: "x" });
    const stream = await listen(app, { resourceSubscriptions: [NOTES] });
    now += 60_000;
    const told = stream.next();
    const before = count.get ?? 0;
    await expect.poll(() => count.get, { timeout: 10_000 }).toBeGreaterThanOrEqual(before + 2);
    now += 60_000;
    expect(await told).toMatchObject({ method: "notifications/resources/updated" });
    const { result } = await modern(app, "resources/read", { uri: NOTES });
    expect(JSON.parse(result.contents[0].text).notes).toEqual([]);
    await stream.end();
  });
});

describe("the number of streams", () => {
  it("is bounded per principal, with a sentence that says so, and frees what was closed", async () => {
    const app = instance({ access, limits: { listensPerPrincipal: 1 } });
    const wanted = { notifications: { resourceSubscriptions: [NOTES] } };
    const first = await listen(app, wanted.notifications, { token: ALICE });
    const { error } = await modern(app, "subscriptions/listen", wanted, { token: ALICE });
    expect(error).toMatchObject({ code: -32603, message: expect.stringContaining("You have 1 streams open") });
    const other = await listen(app, wanted.notifications, { token: BOB });
    await first.end();
    const again = await listen(app, wanted.notifications, { token: ALICE });
    expect(again.acknowledged).toEqual(wanted.notifications);
    await again.end();
    await other.end();
  });

  it("is bounded per process", async () => {
    const app = instance({ limits: { listensPerProcess: 1 } });
    const wanted = { notifications: { resourceSubscriptions: [NOTES] } };
    const first = await listen(app, wanted.notifications);
    const { error } = await modern(app, "subscriptions/listen", wanted);
    expect(error.message).toContain("its limit of 1 streams");
    await first.end();
  });

  it("looks less often the more its caller watches, and others are told as soon as ever", async () => {
    const { store, keys } = readKeysOf(new MemoryStore());
    const app = instance({ store, access });
    const uris = Array.from({ length: 32 }, (_, i) => `session://s${i}/notes`);
    const many = [];
    for (let i = 0; i < 20; i++) many.push(await listen(app, { resourceSubscriptions: uris }, { token: ALICE }));
    const own = await listen(app, { resourceSubscriptions: [NOTES] }, { token: BOB });
    keys.length = 0;
    const begun = performance.now();
    for (let i = 0; i < 4; i++) {
      const told = own.next();
      await addNote(app, BOB);
      await told;
    }
    const foreign = keys.filter((pk) => !pk.includes(makePrincipal("token", "token", "bob").id)).length;
    // 64 looks in a second, where 640 resources were looked at up to four times.
    expect(foreign).toBeLessThan(2 * 64 * (1 + (performance.now() - begun) / 1_000));
    for (const one of [...many, own]) await one.end();
  });

  it("counts no stream that was refused", async () => {
    const app = instance({ limits: { listensPerPrincipal: 1 } });
    const many = Array.from({ length: 33 }, (_, i) => `session://s${i}/notes`);
    const refused = await modern(app, "subscriptions/listen", { notifications: { resourceSubscriptions: many } });
    expect(refused.error.message).toContain("32 resources");
    const empty = await modern(app, "subscriptions/listen", { notifications: {} });
    expect(empty.result.resultType).toBe("complete");
    const stream = await listen(app, { resourceSubscriptions: [NOTES] });
    expect(stream.acknowledged).toEqual({ resourceSubscriptions: [NOTES] });
    await stream.end();
  });

  it("is none where streams are turned off: nothing is advertised and nothing is held", async () => {
    const app = instance({ subscriptions: false });
    const { result } = await modern(app, "server/discover");
    expect(result.capabilities.resources).toEqual({});
    const answer = await modern(app, "subscriptions/listen", { notifications: { resourceSubscriptions: [NOTES] } });
    expect(answer.result.resultType).toBe("complete");
  });
});
