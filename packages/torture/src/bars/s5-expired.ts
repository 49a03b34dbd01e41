// S5: what has expired is gone for every operation, although nothing removes it from the table, and no write brings it back.
// The clock is moved, never waited for; at full scale the instances' clocks also disagree by up to 5 s.
import { tokenPrincipal } from "@stateful-mcp/core";
import type { Random } from "@stateful-mcp/rig";
import { defineBar } from "../bars.ts";
import { callApp, type Reply, type Result } from "./calls.ts";
import { MovedClock, startGround } from "./rig.ts";
import { inParallel, Tally } from "./tally.ts";

const TTL_SECONDS = 60;
/** Of cached results, after `TTL_SECONDS`: the window in which an old one is served while a new one is computed. */
const STALE_SECONDS = TTL_SECONDS / 10;
const AT_ONCE = 8;

/** Calls some instance, whichever the dice say. */
type Call = (name: string, args: Result) => Promise<Reply>;

/** One kind of entry: what creates it, what proves that it lives, and everything that must not find or revive it afterwards. */
interface Kind {
  create(call: Call, id: string): Promise<unknown>;
  lives(call: Call, id: string): Promise<boolean>;
  /** Probes in the order they are made, each true when it shows the entry gone. */
  readonly gone: Readonly<Record<string, (call: Call, id: string) => Promise<boolean>>>;
}

const field = async (reply: Promise<Reply>, name: string): Promise<unknown> => {
  const answer = await reply;
  return "result" in answer ? answer.result[name] : answer.code;
};
const handles = new Map<string, string>();
const handle = (id: string): string => handles.get(id) ?? "no handle";

const inNamed = { key: "key", session_id: "lasting" };
const value = (id: string) => ({ ...inNamed, key: id });

const KINDS: Readonly<Record<string, Kind>> = {
  "a session under a handle": {
    create: async (call, id) => {
      const session_id = String(await field(call("create_session", { ttl_seconds: TTL_SECONDS }), "session_id"));
      handles.set(id, session_id);
      await call("add_note", { session_id, note: "old" });
      await call("store_value", { session_id, key: "key", value: "old" });
    },
    lives: async (call, id) =>
      (await field(call("get_notes", { session_id: handle(id) }), "notes")) !== "session_not_found",
    gone: Object.fromEntries(
      Object.entries({
        get_notes: {},
        get_value: { key: "key" },
        list_values: {},
        session_info: {},
        add_note: { note: "new" },
        update_note: { note_id: "note_a_1", note: "new" },
        delete_note: { note_id: "note_a_1" },
        store_value: { key: "key", value: "new" },
        increment_value: { key: "number" },
        delete_value: { key: "key" },
        reset_session: {},
        "get_notes again": {},
      }).map(([tool, args]) => [
        tool,
        async (call: Call, id: string) =>
          (await field(call(tool.replace(" again", ""), { ...args, session_id: handle(id) }), "notes")) ===
          "session_not_found",
      ]),
    ),
  },

  "a session under a name": {
    create: async (call, id) => {
      await call("create_session", { name: id, ttl_seconds: TTL_SECONDS });
      await call("add_note", { session_id: id, note: "old" });
      await call("store_value", { session_id: id, key: "key", value: "old" });
      await call("store_value", { session_id: id, key: "number", value: 100 });
    },
    lives: async (call, id) => (await field(call("session_info", { session_id: id }), "notes")) === 1,
    gone: {
      get_notes: async (call, id) =>
        ((await field(call("get_notes", { session_id: id }), "notes")) as unknown[]).length === 0,
      get_value: async (call, id) =>
        (await field(call("get_value", { session_id: id, key: "key" }), "found")) === false,
      list_values: async (call, id) =>
        ((await field(call("list_values", { session_id: id }), "values")) as unknown[]).length === 0,
      session_info: async (call, id) => (await field(call("session_info", { session_id: id }), "created_at")) === null,
      list_sessions: async (call, id) => {
        const list = (await field(call("list_sessions", { limit: 1000 }), "sessions")) as { session_id: string }[];
        return !list.some((one) => one.session_id === id);
      },
      reset_session: async (call, id) => (await field(call("reset_session", { session_id: id }), "cleared")) === 0,
      delete_session: async (call, id) =>
        (await field(call("delete_session", { session_id: id }), "deleted")) === false,
      delete_value: async (call, id) =>
        (await field(call("delete_value", { session_id: id, key: "key" }), "deleted")) === false,
      // From here on the name is written to, and begins a new life without anything of the old one.
      add_note: async (call, id) => (await field(call("add_note", { session_id: id, note: "new" }), "count")) === 1,
      increment_value: async (call, id) =>
        (await field(call("increment_value", { session_id: id, key: "number" }), "value")) === 1,
      store_value: async (call, id) =>
        (await field(call("store_value", { session_id: id, key: "key", value: 1, if_version: 0 }), "version")) === 1,
    },
  },

  "a value with a ttl": {
    create: (call, id) => call("store_value", { ...value(id), value: 100, ttl_seconds: TTL_SECONDS }),
    lives: async (call, id) => (await field(call("get_value", value(id)), "value")) === 100,
    gone: {
      get_value: async (call, id) => (await field(call("get_value", value(id)), "found")) === false,
      list_values: async (call, id) =>
        ((await field(call("list_values", { session_id: "lasting", prefix: id }), "values")) as unknown[]).length === 0,
      delete_value: async (call, id) => (await field(call("delete_value", value(id)), "deleted")) === false,
      "store_value at the old version": async (call, id) =>
        (await field(call("store_value", { ...value(id), value: 1, if_version: 1 }), "version")) === "conflict",
      "get_value after refused writes": async (call, id) =>
        (await field(call("get_value", value(id)), "found")) === false,
      increment_value: async (call, id) =>
        (await field(call("increment_value", { ...value(id), by: 2 }), "value")) === 2,
      "get_value of the new life": async (call, id) => (await field(call("get_value", value(id)), "value")) === 2,
    },
  },

  "a cached result": {
    create: (call, id) => call("echo_cached", { text: id }),
    lives: async (call, id) => (await field(call("echo_cached", { text: id }), "cached")) === true,
    gone: { echo_cached: async (call, id) => (await field(call("echo_cached", { text: id }), "cached")) === false },
  },

  "a claim and its answer": {
    create: (call, id) => call("increment_value", { ...value(`k${id}`), by: 5, idempotency_key: id }),
    lives: async (call, id) => {
      const again = await call("increment_value", { ...value(`k${id}`), by: 5, idempotency_key: id });
      return "result" in again && again.replayed && again.result.value === 5;
    },
    gone: {
      "the same key with other arguments": async (call, id) => {
        const anew = await call("increment_value", { ...value(`k${id}`), by: 7, idempotency_key: id });
        return "result" in anew && !anew.replayed && anew.result.value === 12;
      },
    },
  },
};

interface Scale {
  readonly rounds: number;
  readonly perKind: number;
  readonly skewMs: number;
}

async function round(
  scale: Scale,
  clock: MovedClock,
  random: Random,
  at: number,
  call: Call,
  tally: Tally,
): Promise<void> {
  const entries = Object.entries(KINDS).flatMap(([name, kind]) =>
    Array.from({ length: scale.perKind }, (_, serial) => ({ name, kind, id: `${name.split(" ")[1]}-${at}-${serial}` })),
  );
  await inParallel(entries, AT_ONCE, async ({ kind, id }) => void (await kind.create(call, id)));
  // Half are looked at while they live, which proves that the probes would see them; a session that is used lives on, so the
  // clock is moved past the end of a use that has just been.
  await inParallel(entries, AT_ONCE, async ({ name, kind, id }, which) => {
    if (which % 2 === 0) tally.expect(await kind.lives(call, id), () => `${name} (${id}) is gone before its time.`);
  });
  // With skewed clocks only what expired over 10 s ago, by the true time, has to be gone for everybody.
  const graceSeconds = scale.skewMs === 0 ? 0 : scale.skewMs / 1000 + 10;
  clock.advance(TTL_SECONDS + STALE_SECONDS + graceSeconds + random.int(1, 5));
  await inParallel(entries, AT_ONCE, async ({ name, kind, id }) => {
    for (const [tool, probe] of Object.entries(kind.gone)) {
      const gone = await probe(call, id);
      tally.count();
      tally.expect(gone, () => `${name} (${id}) was visible to, or revived by, ${tool}.`);
    }
  });
}

export default defineBar<Scale>({
  id: "S5",
  title: "expired is gone, for every entity",
  test: { rounds: 4, perKind: 6, skewMs: 0 },
  full: { rounds: 60, perKind: 12, skewMs: 5_000 },
  places: ["table", "file"],
  async run({ place, scale, random, progress }) {
    await using ground = await startGround(place, random);
    const clock = new MovedClock();
    const skews = [-1, -0.4, 0.4, 1].map((share) => share * scale.skewMs);
    const instances = await Promise.all(
      skews.map((skewMs) =>
        ground.join({
          clock: clock.skewedBy(skewMs),
          cache: { ttlSeconds: TTL_SECONDS },
          idempotency: { ttlSeconds: TTL_SECONDS },
        }),
      ),
    );
    const dice = random.fork("instances");
    // Every round has a caller of its own, because names that live again count towards a limit of sessions.
    const callAs =
      (caller: string): Call =>
      (name, args) =>
        callApp(dice.pick(instances).app, name, args, tokenPrincipal(caller));
    const probes = Object.values(KINDS).reduce((sum, kind) => sum + Object.keys(kind.gone).length, 0);
    const tally = new Tally(progress, scale.rounds * scale.perKind * probes);
    for (let at = 0; at < scale.rounds; at++)
      await round(scale, clock, random.fork(at), at, callAs(`round ${at}`), tally);
    return tally.outcome({ "clock moved past an end": scale.rounds });
  },
});
