// The parts of DynamoDB's wire format that faults need to forge: errors, checksums, and half-done batches.
import type { OutgoingHttpHeaders } from "node:http";
import { crc32 } from "node:zlib";
import type { Random } from "./random.ts";

export interface StoreRequest {
  /** Such as `UpdateItem`. */
  readonly operation: string;
  readonly body: Readonly<Record<string, unknown>>;
  /** 1 for the first request with exactly this operation and body, 2 for its first repetition, and so on. */
  readonly attempt: number;
}

export interface Answer {
  /** The connection breaks off before the last byte. */
  readonly cut?: true;
  readonly status: number;
  readonly headers: OutgoingHttpHeaders;
  readonly body: Buffer;
}

/** A complete answer with the headers that clients look at, the checksum among them. */
export function answerWith(status: number, body: Buffer, headers: OutgoingHttpHeaders = {}): Answer {
  return {
    status,
    body,
    headers: {
      "content-type": "application/x-amz-json-1.0",
      "x-amzn-requestid": "FAULTPROXY",
      "x-amz-crc32": crc32(body),
      "content-length": body.length,
      ...headers,
    },
  };
}

const ERRORS = {
  ProvisionedThroughputExceededException: {
    status: 400,
    shape: "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
    message: "The level of configured provisioned throughput for the table was exceeded.",
  },
  InternalServerError: {
    status: 500,
    shape: "com.amazonaws.dynamodb.v20120810#InternalServerError",
    message: "The request could not be completed due to an internal failure.",
  },
} as const;

/** A refusal in DynamoDB's own shape. */
export function errorAnswer(name: keyof typeof ERRORS): Answer {
  const { status, shape, message } = ERRORS[name];
  return answerWith(status, Buffer.from(JSON.stringify({ __type: shape, message })), { "x-amzn-errortype": name });
}

type Body = Record<string, unknown>;

/** What a batch asks for, flat: one item or key with the table it belongs to. */
interface Part {
  readonly table: string;
  readonly item: unknown;
}

function parts({ operation, body }: StoreRequest): Part[] {
  if (operation !== "BatchGetItem" && operation !== "BatchWriteItem") return [];
  return Object.entries((body.RequestItems ?? {}) as Record<string, unknown>).flatMap(([table, asked]) => {
    const items = operation === "BatchGetItem" ? (asked as { Keys: unknown[] }).Keys : (asked as unknown[]);
    return items.map((item) => ({ table, item }));
  });
}

function gather({ operation, body }: StoreRequest, chosen: readonly Part[]): Body {
  const gathered: Body = {};
  for (const [table, items] of Map.groupBy(chosen, (part) => part.table)) {
    const list = items.map((part) => part.item);
    const asked = (body.RequestItems as Record<string, object>)[table];
    gathered[table] = operation === "BatchGetItem" ? { ...asked, Keys: list } : list;
  }
  return gathered;
}

/** True for everything that cannot be done in part. */
export function batchOfOne(request: StoreRequest): boolean {
  return parts(request).length < 2;
}

/** Divides a batch into a request for what will be done, at least one part, and the parts to report as unprocessed. */
export function splitBatch(request: StoreRequest, random: Random): { kept: Body; dropped: Body } {
  const all = random.shuffle(parts(request));
  const cut = random.int(1, all.length - 1);
  return {
    kept: { ...request.body, RequestItems: gather(request, all.slice(0, cut)) },
    dropped: gather(request, all.slice(cut)),
  };
}

/** The engine's answer to the kept part, with the rest reported as unprocessed. Engines on loopback never leave any themselves. */
export function withUnprocessed(answer: Answer, operation: string, dropped: Body): Answer {
  if (answer.status !== 200) return answer;
  const field = operation === "BatchGetItem" ? "UnprocessedKeys" : "UnprocessedItems";
  const body: Body = JSON.parse(answer.body.toString());
  return answerWith(200, Buffer.from(JSON.stringify({ ...body, [field]: dropped })));
}
