// Creates, removes and looks at the table itself. Only setup, teardown and diagnosis come here: no request that is being
// served ever does.
import { setTimeout as sleep } from "node:timers/promises";
import type { TableDescription } from "@aws-sdk/client-dynamodb";
import { AppError } from "../errors.ts";
import { FIELD } from "./dynamodb-layout.ts";
import { type Client, send } from "./dynamodb-send.ts";

/** `ttl` is "unknown" when the engine does not tell. */
export type TableState =
  | { exists: false }
  | { exists: true; status: string; keySchemaOk: boolean; ttl: "on" | "off" | "unknown" };

/** Told what has been done or found, one sentence each. */
export type OnStep = (text: string) => void;

const WAIT_SECONDS = 120;
const POLL_MS = 250;

/**
 * Makes the table usable: creates it (on demand) where absent, waits until it is active, turns TTL on. Repeating it is safe.
 * @throws AppError("conflict") for a table of that name that is not ours.
 */
export async function setupTable(client: Client, table: string, onStep: OnStep): Promise<TableState> {
  let found = await describe(client, table);
  if (found?.TableStatus === "DELETING") {
    onStep(`The table "${table}" is being deleted: waiting for the end of that.`);
    await waitUntil(client, table, undefined);
    found = undefined;
  }
  if (found) {
    requireOurs(table, found);
    onStep(`The table "${table}" exists.`);
  } else {
    onStep(`Creating the table "${table}".`);
    await create(client, table);
  }
  await waitUntil(client, table, "ACTIVE");
  onStep(`The table "${table}" is active.`);
  await turnOnTtl(client, table, onStep);
  return inspectTable(client, table);
}

/** Deletes the table and everything in it. The caller has asked for confirmation. */
export async function teardownTable(client: Client, table: string, onStep: OnStep): Promise<void> {
  const found = await describe(client, table);
  if (!found) return onStep(`There is no table "${table}": nothing to delete.`);
  if (found.DeletionProtectionEnabled) {
    throw new AppError(
      "conflict",
      `The table "${table}" is protected against deletion. Turn its deletion protection off first.`,
    );
  }
  if (found.TableStatus !== "DELETING") await send(client, "DeleteTable", { TableName: table });
  onStep(`Deleting the table "${table}".`);
  await waitUntil(client, table, undefined);
  onStep(`The table "${table}" is deleted.`);
}

/**
 * Looks at the table and changes nothing.
 * @throws AppError `unavailable` when DynamoDB cannot be reached.
 */
export async function inspectTable(client: Client, table: string): Promise<TableState> {
  const found = await describe(client, table);
  if (!found) return { exists: false };
  return {
    exists: true,
    status: found.TableStatus ?? "unknown",
    keySchemaOk: isOurs(found),
    ttl: await ttlState(client, table),
  };
}

export const isCalled = (error: unknown, name: string): boolean =>
  error instanceof Error && (error.name === name || isCalled(error.cause, name));

const wordsOf = (error: unknown): string => (error instanceof Error ? error.message : "");

async function describe(client: Client, table: string): Promise<TableDescription | undefined> {
  try {
    return (await send(client, "DescribeTable", { TableName: table })).Table;
  } catch (error) {
    if (isCalled(error, "ResourceNotFoundException")) return undefined;
    throw error;
  }
}

async function create(client: Client, table: string): Promise<void> {
  try {
    await send(client, "CreateTable", {
      TableName: table,
      BillingMode: "PAY_PER_REQUEST",
      AttributeDefinitions: [FIELD.pk, FIELD.sk].map((name) => ({ AttributeName: name, AttributeType: "S" })),
      KeySchema: [
        { AttributeName: FIELD.pk, KeyType: "HASH" },
        { AttributeName: FIELD.sk, KeyType: "RANGE" },
      ],
    });
  } catch (error) {
    // Another process, or our own attempt whose reply was lost, was first.
    if (!isCalled(error, "ResourceInUseException")) throw error;
  }
}

const keysOf = ({ KeySchema = [], AttributeDefinitions = [] }: TableDescription): string =>
  KeySchema.map(({ AttributeName, KeyType }) => {
    const type = AttributeDefinitions.find((definition) => definition.AttributeName === AttributeName)?.AttributeType;
    return `${AttributeName} (${KeyType}, ${type})`;
  }).join(", ");

const OUR_KEYS = `${FIELD.pk} (HASH, S), ${FIELD.sk} (RANGE, S)`;
const isOurs = (found: TableDescription): boolean => keysOf(found) === OUR_KEYS;

function requireOurs(table: string, found: TableDescription): void {
  if (isOurs(found)) return;
  throw new AppError(
    "conflict",
    `The table "${table}" exists with other keys: ${keysOf(found)}. State needs ${OUR_KEYS}. Choose another table name.`,
  );
}

/** A table that is being changed serves every request. */
export const isUsable = (status: string | undefined): boolean => status === "ACTIVE" || status === "UPDATING";

/** `undefined`: until it is gone. */
export async function waitUntil(client: Client, table: string, goal: "ACTIVE" | undefined): Promise<void> {
  const deadline = performance.now() + WAIT_SECONDS * 1000;
  for (;;) {
    const status = (await describe(client, table))?.TableStatus;
    if (goal === undefined ? status === undefined : isUsable(status)) return;
    if (performance.now() > deadline) {
      throw new AppError(
        "unavailable",
        `After ${WAIT_SECONDS} s the table "${table}" is ${status ?? "missing"}, not ${goal ?? "gone"}. Try again later.`,
      );
    }
    await sleep(POLL_MS);
  }
}

async function ttlState(client: Client, table: string): Promise<"on" | "off" | "unknown"> {
  try {
    const { TimeToLiveDescription: ttl } = await send(client, "DescribeTimeToLive", { TableName: table });
    const on = ttl?.TimeToLiveStatus === "ENABLED" || ttl?.TimeToLiveStatus === "ENABLING";
    return on && ttl.AttributeName === FIELD.expiresAt ? "on" : "off";
  } catch (error) {
    if (isCalled(error, "UnknownOperationException") || isCalled(error, "AccessDeniedException")) return "unknown";
    throw error;
  }
}

async function turnOnTtl(client: Client, table: string, onStep: OnStep): Promise<void> {
  if ((await ttlState(client, table)) === "on") return onStep(`TTL on "${FIELD.expiresAt}" is on.`);
  try {
    await send(client, "UpdateTimeToLive", {
      TableName: table,
      TimeToLiveSpecification: { AttributeName: FIELD.expiresAt, Enabled: true },
    });
    onStep(`TTL on "${FIELD.expiresAt}" is turned on.`);
  } catch (error) {
    // Its state could not be read; for another attribute the engine says something else.
    if (isCalled(error, "ValidationException") && /already enabled/i.test(wordsOf(error)))
      return onStep(`TTL on "${FIELD.expiresAt}" is on.`);
    if (isCalled(error, "ValidationException")) {
      throw new AppError(
        "conflict",
        `TTL cannot be turned on for "${FIELD.expiresAt}" in "${table}": is it on for another attribute?`,
        {
          cause: error,
        },
      );
    }
    if (!isCalled(error, "UnknownOperationException")) throw error;
    onStep("This engine has no TTL of its own: the embedded engine sweeps expired entries by itself.");
  }
}
