// What an eventually consistent replica may answer: for each read seen by the fault proxy, the answer before the last
// change. It knows DynamoDB's read requests, and no sockets.
import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { type Answer, answerWith, type StoreRequest } from "./dynamodb-wire.ts";

const NOTHING_YET: Readonly<Record<string, object>> = {
  BatchGetItem: { Responses: {}, UnprocessedKeys: {} },
  GetItem: {},
  Query: { Items: [], Count: 0, ScannedCount: 0 },
  Scan: { Items: [], Count: 0, ScannedCount: 0 },
};

export class StaleReads {
  readonly #seen = new Map<string, { latest: Buffer; before?: Buffer }>();

  /** Only reads that do not ask for consistency may be stale. */
  static applies({ operation, body }: StoreRequest): boolean {
    return operation in NOTHING_YET && !isConsistent(body);
  }

  /** Notes what the engine says to a read, consistent or not, and hands it on. */
  remember(request: StoreRequest, answer: Answer): Answer {
    if (!(request.operation in NOTHING_YET) || answer.status !== 200) return answer;
    const id = identify(request);
    const seen = this.#seen.get(id);
    if (seen === undefined) this.#seen.set(id, { latest: answer.body });
    else if (!saysTheSame(seen.latest, answer.body)) this.#seen.set(id, { latest: answer.body, before: seen.latest });
    return answer;
  }

  /** The answer before the last change that was seen; before the first one there was nothing. */
  answer(request: StoreRequest, fresh: Answer): Answer {
    this.remember(request, fresh);
    if (fresh.status !== 200) return fresh;
    const before = this.#seen.get(identify(request))?.before;
    return answerWith(200, before ?? Buffer.from(JSON.stringify(NOTHING_YET[request.operation])));
  }
}

/** Engines give an item's attributes in any order. */
const saysTheSame = (a: Buffer, b: Buffer): boolean =>
  isDeepStrictEqual(JSON.parse(a.toString()), JSON.parse(b.toString()));

/** A batch says it for each of its tables. */
function isConsistent({ ConsistentRead, RequestItems }: StoreRequest["body"]): boolean {
  if (RequestItems === undefined) return ConsistentRead === true;
  return Object.values(RequestItems as Record<string, { ConsistentRead?: boolean }>).every(
    (asked) => asked.ConsistentRead === true,
  );
}

function identify({ operation, body }: StoreRequest): string {
  const text = JSON.stringify(body, (name, value) => (name === "ConsistentRead" ? undefined : value));
  return createHash("sha1").update(operation).update(text).digest("base64");
}
