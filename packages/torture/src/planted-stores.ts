// Stores that are wrong in one way each, as a missing condition would make them. A bar that does not see them is blind.
import type { Entry, StateStore, UpdateOptions } from "@stateful-mcp/core";
import type { Random } from "@stateful-mcp/rig";

type Plant = (store: StateStore, random: Random) => StateStore;

/** The store with some of its methods replaced. */
const replacing = (store: StateStore, methods: Partial<StateStore>): StateStore => ({
  get: (key) => store.get(key),
  // What is planted in a read of one is in a read of several.
  getMany: (keys) => Promise.all(keys.map((key) => (methods.get ? methods.get(key) : store.get(key)))),
  create: (key, attributes, options) => store.create(key, attributes, options),
  update: (key, change, options) => store.update(key, change, options),
  delete: (key) => store.delete(key),
  list: (pk, options) => store.list(pk, options),
  ping: () => store.ping(),
  close: () => store.close(),
  ...methods,
});

const isSession = (sk: string): boolean => sk.startsWith("S#");
const isValue = (sk: string): boolean => sk.startsWith("V#");
const isNote = (sk: string): boolean => sk.startsWith("N#");

/** The options without what protects them. */
function without(
  { on, match, rising, version, operation }: UpdateOptions,
  ...dropped: (keyof UpdateOptions)[]
): UpdateOptions {
  const all = { match, rising, version, operation };
  const kept = Object.entries(all).filter(([name, value]) => value !== undefined && !dropped.includes(name as "match"));
  return { on, ...Object.fromEntries(kept) };
}

export const PLANTED = {
  "a session item remembered across calls": (store) => {
    const sessions = new Map<string, Entry>();
    return replacing(store, {
      get: async (key) => {
        if (!isSession(key.sk)) return store.get(key);
        const entry = sessions.get(key.sk) ?? (await store.get(key));
        if (entry) sessions.set(key.sk, entry);
        return entry;
      },
    });
  },

  "operations without identity, sent twice": (store, random) =>
    replacing(store, {
      update: async (key, change, options) => {
        const bare = without(options, "operation");
        const first = await store.update(key, change, bare);
        const again = first.applied && change.increment !== undefined && random.chance(0.2);
        return again ? store.update(key, change, bare) : first;
      },
    }),

  "an append that replaces what stands there": (store) =>
    replacing(store, {
      create: async (key, attributes, options) => {
        const created = await store.create(key, attributes, options);
        if (created.written || !created.current || !isNote(key.sk)) return created;
        await store.delete(key);
        return store.create(key, attributes, options);
      },
    }),

  "a version that is not compared": (store) =>
    replacing(store, {
      update: (key, change, options) =>
        store.update(key, change, isValue(key.sk) && options.version ? without(options, "version") : options),
    }),

  "reads from before the last change": (store, random) => {
    const seen = new Map<string, Entry | undefined>();
    return replacing(store, {
      get: async (key) => {
        const entry = await store.get(key);
        if (!isValue(key.sk)) return entry;
        const before = seen.get(key.pk + key.sk);
        seen.set(key.pk + key.sk, entry);
        return before && random.chance(0.2) ? before : entry;
      },
    });
  },

  "an acknowledged append that was never made": (store, random) =>
    replacing(store, {
      create: async (key, attributes, options) => {
        const created = await store.create(key, attributes, options);
        if (created.written && isNote(key.sk) && random.chance(0.05)) await store.delete(key);
        return created;
      },
    }),

  "an old write that arrives again": (store, random) =>
    replacing(store, {
      update: async (key, change, options) => {
        const result = await store.update(key, change, options);
        const late = result.applied && isValue(key.sk) && change.set !== undefined && random.chance(0.2);
        if (late) setTimeout(() => void store.update(key, change, { on: "live" }).catch(() => {}), random.int(5, 60));
        return result;
      },
    }),

  "a repeated append that is not recognised": (store, random) =>
    replacing(store, {
      create: async (key, attributes, options) => {
        const created = await store.create(key, attributes, options);
        if (!created.written || !isNote(key.sk) || random.chance(0.9)) return created;
        return { written: false, current: created.entry };
      },
    }),

  "listings that miss their last entry": (store, random) =>
    replacing(store, {
      list: async (pk, options) => {
        const page = await store.list(pk, options);
        return random.chance(0.1) ? { entries: page.entries.slice(0, -1) } : page;
      },
    }),

  "a reset that keeps its generation": (store, random) =>
    replacing(store, {
      update: (key, change, options) => {
        const reset = change.copy !== undefined && random.chance(0.3);
        const { generation: _, ...set } = change.set ?? {};
        return store.update(key, reset ? { ...change, set } : change, options);
      },
    }),
} satisfies Record<string, Plant>;
