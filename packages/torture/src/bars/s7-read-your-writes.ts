// S7: what one instance has answered, every other one sees. Reads that do not ask for consistency are served old versions, so
// a single one of them in the state store would show; a control read proves that they are.
import { GetItemCommand, PutItemCommand } from "@aws-sdk/client-dynamodb";
import { createDynamoDBClient } from "@stateful-mcp/core/dynamodb";
import { loopback, type Random } from "@stateful-mcp/rig";
import { defineBar } from "../bars.ts";
import { callApp, type Reply, type Result } from "./calls.ts";
import { Cluster, TABLE, type TableInstance } from "./rig.ts";
import { inParallel, Tally } from "./tally.ts";

const INSTANCES = 3;
const AT_ONCE = 8;

type Call = (name: string, args: Result) => Promise<Reply>;
/** Writes through one instance and reads through another; true when the reader saw it. */
type Check = (write: Call, read: Call, session: string, serial: number) => Promise<boolean>;

const resultOf = (reply: Reply): Result => ("result" in reply ? reply.result : {});
const refusedWith = (reply: Reply, code: string): boolean => "code" in reply && reply.code === code;

const CHECKS: Readonly<Record<string, Check>> = {
  "a stored value": async (write, read, session_id, serial) => {
    const { version } = resultOf(await write("store_value", { session_id, key: "stored", value: { serial } }));
    const seen = resultOf(await read("get_value", { session_id, key: "stored" }));
    return seen.version === version && JSON.stringify(seen.value) === JSON.stringify({ serial });
  },
  "an increment": async (write, read, session_id) => {
    const written = resultOf(await write("increment_value", { session_id, key: "counter" }));
    const seen = resultOf(await read("get_value", { session_id, key: "counter" }));
    return seen.value === written.value && seen.version === written.version && seen.found === true;
  },
  "a deleted value": async (write, read, session_id) => {
    await write("store_value", { session_id, key: "deleted", value: 1 });
    await read("get_value", { session_id, key: "deleted" });
    const { deleted } = resultOf(await write("delete_value", { session_id, key: "deleted" }));
    const seen = resultOf(await read("get_value", { session_id, key: "deleted" }));
    return deleted === true && seen.found === false;
  },
  "a value in the list": async (write, read, session_id, serial) => {
    await write("store_value", { session_id, key: `list ${serial}`, value: 1 });
    const { values } = resultOf(await read("list_values", { session_id, prefix: `list ${serial}` }));
    return (values as unknown[])?.length === 1;
  },
  "a note": async (write, read, session_id, serial) => {
    const { count } = resultOf(await write("add_note", { session_id, note: `note ${serial}` }));
    const { notes } = resultOf(await read("get_notes", { session_id, order: "newest", limit: 1 }));
    const info = resultOf(await read("session_info", { session_id }));
    return (notes as string[])?.[0] === `note ${serial}` && info.notes === count;
  },
  "a reset": async (write, read, session_id) => {
    await write("add_note", { session_id, note: "to be cleared" });
    await write("reset_session", { session_id });
    const { notes } = resultOf(await read("get_notes", { session_id }));
    const { values } = resultOf(await read("list_values", { session_id }));
    return (notes as unknown[])?.length === 0 && (values as unknown[])?.length === 0;
  },
  "a session, listed and deleted": async (write, read, _, serial) => {
    const { session_id } = resultOf(await write("create_session", { name: `created ${serial}` }));
    const listed = resultOf(await read("list_sessions", { limit: 1000 })).sessions as { session_id: string }[];
    await write("delete_session", { session_id });
    const after = resultOf(await read("list_sessions", { limit: 1000 })).sessions as { session_id: string }[];
    const has = (list: { session_id: string }[]) => list?.some((one) => one.session_id === session_id);
    return has(listed) && !has(after);
  },
  "a handle that was deleted": async (write, read) => {
    const { session_id } = resultOf(await write("create_session", {}));
    const found = await read("get_notes", { session_id });
    await write("delete_session", { session_id });
    return "result" in found && refusedWith(await read("get_notes", { session_id }), "session_not_found");
  },
  "a cached result": async (write, read, _, serial) => {
    await write("echo_cached", { text: `text ${serial}` });
    return resultOf(await read("echo_cached", { text: `text ${serial}` })).cached === true;
  },
  "a keyed call's answer": async (write, read, session_id, serial) => {
    const args = { session_id, key: "keyed", by: 2, idempotency_key: `key ${serial}` };
    const [first, again] = [await write("increment_value", args), await read("increment_value", args)];
    return "result" in again && again.replayed && again.result.value === resultOf(first).value;
  },
};

/** An old version for a read that does not ask for consistency: without it the bar shows nothing. */
async function controlShows(cluster: Cluster): Promise<boolean> {
  const proxy = await cluster.proxy();
  const client = createDynamoDBClient(loopback(Number(new URL(proxy.endpoint).port)));
  const Key = { pk: { S: "control" }, sk: { S: "control" } };
  const read = async (ConsistentRead: boolean) =>
    (await client.send(new GetItemCommand({ TableName: TABLE, Key, ConsistentRead }))).Item?.n?.N;
  await client.send(new PutItemCommand({ TableName: TABLE, Item: { ...Key, n: { N: "1" } } }));
  await read(true);
  await client.send(new PutItemCommand({ TableName: TABLE, Item: { ...Key, n: { N: "2" } } }));
  const [fresh, stale] = [await read(true), await read(false)];
  client.destroy();
  await proxy.close();
  return fresh === "2" && stale === "1";
}

function pickTwo(instances: readonly TableInstance[], random: Random): [Call, Call] {
  const [writer, reader] = random.shuffle(instances).map(
    ({ app }): Call =>
      (name, args) =>
        callApp(app, name, args),
  );
  if (!writer || !reader) throw new Error("Two instances are needed.");
  return [writer, reader];
}

export default defineBar<{ writes: number }>({
  id: "S7",
  title: "read your writes on another instance",
  test: { writes: 500 },
  full: { writes: 10_000 },
  async run({ scale, random, progress }) {
    await using cluster = await Cluster.start(random, [{ fault: { kind: "stale-read" } }]);
    const tally = new Tally(progress, scale.writes);
    tally.expect(await controlShows(cluster), () => "The control read without ConsistentRead saw no old version.");
    const instances = await Promise.all(Array.from({ length: INSTANCES }, () => cluster.join()));
    const checks = Object.entries(CHECKS);
    const perLane = Math.ceil(scale.writes / AT_ONCE);
    // Each lane has a session of its own, so that no other writes come between a write and its read.
    await inParallel(Array.from({ length: AT_ONCE }), AT_ONCE, async (_, lane) => {
      const dice = random.fork(lane);
      for (let at = 0; at < perLane; at++) {
        const [name, check] = checks[at % checks.length] as (typeof checks)[number];
        const [write, read] = pickTwo(instances, dice);
        const seen = await check(write, read, `lane ${lane}`, lane * perLane + at);
        tally.count();
        tally.expect(seen, () => `${name} was not seen on another instance (lane ${lane}, step ${at}).`);
      }
    });
    const stale = instances.reduce((sum, { proxy }) => sum + (proxy.faults["stale-read"] ?? 0), 0);
    tally.expect(stale === 0, () => `${stale} reads of the state store did not ask for consistency.`);
    return tally.outcome({ "stale-read": stale });
  },
});
