// Each protective condition of the state, and how it looks when it is missing. A condition that can be taken out without any
// test failing protects nothing that anybody would notice.
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these texts are source code.

export interface Mutation {
  /** What no longer holds. */
  readonly name: string;
  /** Default: core. */
  readonly package?: "core" | "adapters";
  /** Below the package's src. */
  readonly file: string;
  /** Must occur exactly once. */
  readonly from: string;
  readonly to: string;
  /** Test files, below the package's src, one of which should notice. */
  readonly tests: readonly string[];
}

const CONDITIONS = "stores/dynamodb-conditions.ts";
const CONTRACT = ["stores/dynamodb-state-store.test.ts"];
const KEYED = ["state/idempotency.test.ts", "state/idempotency-crashes.test.ts"];
const OPERATIONS = ["state/entry-writer.test.ts", "state/idempotency.test.ts"];
const SESSIONS = ["state/sessions.test.ts"];
const CACHE = ["state/cache.test.ts"];
const LEASE = ["state/lease.test.ts"];
const EVENTS = ["mcp/legacy/events.test.ts"];
const LOG = ["state/log.test.ts", "state/idempotency-crashes.test.ts"];

export const MUTATIONS: readonly Mutation[] = [
  {
    name: "a write applies to live entries only",
    file: CONDITIONS,
    from: "[EXISTS, NO_TOMBSTONE, NOT_EXPIRED]",
    to: "[EXISTS]",
    tests: CONTRACT,
  },
  {
    name: "a sum does not grow past what its readers hold",
    file: CONDITIONS,
    from: "`${field} BETWEEN ${e.value(from.min)} AND ${e.value(from.max)}`",
    to: '`attribute_type(${field}, ${e.value("N")})`',
    tests: CONTRACT,
  },
  {
    name: "a tombstone is not live",
    file: CONDITIONS,
    from: "[EXISTS, NO_TOMBSTONE, NOT_EXPIRED]",
    to: "[EXISTS, NOT_EXPIRED]",
    tests: CONTRACT,
  },
  {
    name: "what has expired is not live",
    file: CONDITIONS,
    from: "[EXISTS, NO_TOMBSTONE, NOT_EXPIRED]",
    to: "[EXISTS, NO_TOMBSTONE]",
    tests: CONTRACT,
  },
  {
    name: "a read does not show what has expired",
    file: "stores/dynamodb-layout.ts",
    from: "buried || isExpired(entry.expiresAt, now)",
    to: "buried",
    tests: CONTRACT,
  },
  {
    name: "a read does not show a tombstone",
    file: "stores/dynamodb-layout.ts",
    from: "buried || isExpired(entry.expiresAt, now)",
    to: "isExpired(entry.expiresAt, now)",
    tests: CONTRACT,
  },
  {
    name: "a creation where something lives",
    file: CONDITIONS,
    from: "[NOTHING_LIVE, NOT_CREATED_BY(id)]",
    to: "[NOT_CREATED_BY(id)]",
    tests: CONTRACT,
  },
  {
    name: "a creation sent again is recognised by its id",
    file: CONDITIONS,
    from: "[NOTHING_LIVE, NOT_CREATED_BY(id)]",
    to: "[NOTHING_LIVE]",
    tests: CONTRACT,
  },
  {
    name: "the version that was seen",
    file: CONDITIONS,
    from: "clauses.push(...IS_LIVE, VERSION_IS(version))",
    to: "clauses.push(...IS_LIVE)",
    tests: CONTRACT,
  },
  {
    name: "the recorded operation",
    file: CONDITIONS,
    from: "NOT_YET_APPLIED(operation.slot, operation.stamp), ",
    to: "",
    tests: CONTRACT,
  },
  {
    name: "the watermark",
    file: CONDITIONS,
    from: ", ABOVE_WATERMARK(operation.stamp)",
    to: "",
    tests: CONTRACT,
  },
  {
    name: "the watermark is never lowered",
    file: CONDITIONS,
    from: "    clauses.push(WATERMARK_NOT_ABOVE(change.forget.watermark));\n",
    to: "",
    tests: CONTRACT,
  },
  {
    name: "only a slot that still holds what was seen is forgotten",
    file: CONDITIONS,
    from: "clauses.push(SLOT_STILL_HOLDS(slot, stamp))",
    to: "void [slot, stamp, SLOT_STILL_HOLDS]",
    tests: CONTRACT,
  },
  {
    name: "a fence must rise",
    file: CONDITIONS,
    from: "  if (rising) clauses.push(RISES(rising.attribute, rising.value));\n",
    to: "",
    tests: CONTRACT,
  },
  {
    name: "forgetting raises the watermark",
    file: "state/entry-writer.ts",
    from: "const watermark = Math.max(...stamps);",
    to: "const watermark = entry.watermark;",
    tests: OPERATIONS,
  },
  {
    name: "a claim is completed before its operation is forgotten",
    file: "state/entry-writer.ts",
    from: "keyed.filter(([name]) => completed.has(name))",
    to: "keyed",
    tests: OPERATIONS,
  },
  {
    name: "a writer who may still be sending is not forgotten",
    file: "state/entry-writer.ts",
    from: " && slot.stamp < now - PLAIN_FORGET_AFTER_MS",
    to: "",
    tests: OPERATIONS,
  },
  {
    name: "an operation that may have been forgotten is not sent again",
    file: "state/entry-writer.ts",
    from: "age > PLAIN_FORGET_AFTER_MS / 2 || ",
    to: "",
    tests: OPERATIONS,
  },
  {
    name: "an operation that was answered as refused changes nothing when it arrives late",
    file: "state/entry-writer.ts",
    from: "if (!refused || !(straggler || options.operation)) return outcome;",
    to: "if (!refused || !straggler || straggler) return outcome;",
    tests: ["state/late-attempts.test.ts"],
  },
  {
    name: "an entry full of operations makes writers wait",
    file: "state/entry-writer.ts",
    from: "Object.keys(entry.slots).length < SLOTS_HARD_MAX || ",
    to: "Object.keys(entry.slots).length > 0 || ",
    tests: OPERATIONS,
  },
  {
    name: "the generation is read for each call",
    file: "state/session-handle.ts",
    from: "this.#found ??= this.#parts.sessions.find(this.#owner, this.id, this.#caller.keyed);",
    to: `const scope = this.#parts as unknown as { found?: Map<string, Promise<Session | undefined>> };
    const known = (scope.found ??= new Map());
    const name = this.#owner + this.id;
    this.#found ??= (known.get(name) ?? this.#parts.sessions.find(this.#owner, this.id)).then((found) => {
      if (found) known.set(name, Promise.resolve(found));
      return found;
    });`,
    tests: SESSIONS,
  },
  {
    name: "a handle is never created by use",
    file: "state/session-handle.ts",
    from: "    if (!session && isHandle(this.id)) throw sessionNotFound(this.id);\n",
    to: "",
    tests: SESSIONS,
  },
  {
    name: "a value read beside the session counts only under its generation",
    file: "state/sessions.ts",
    from: "session?.generation === generation ? { session, read: { entry } } : { session }",
    to: "generation !== undefined ? { session, read: { entry } } : { session }",
    tests: SESSIONS,
  },
  {
    name: "a page read beside the session counts only under its generation",
    file: "state/session-handle.ts",
    from: "early?.generation === session.generation",
    to: "early",
    tests: SESSIONS,
  },
  {
    name: "only the session that was used moves its expiry",
    file: "state/sessions.ts",
    from: 'since it was read.\n      { on: "live", match: { createdAtMs: session.createdAtMs } }',
    to: 'since it was read.\n      { on: "live" }',
    tests: SESSIONS,
  },
  {
    name: "the principal is in the key of a session",
    file: "state/keys.ts",
    from: "pk: principalPartition(principal),\n  sk: SESSION_PREFIX",
    to: "pk: principalPartition(String(principal && 0)),\n  sk: SESSION_PREFIX",
    tests: SESSIONS,
  },
  {
    name: "the principal is in the key of notes and values",
    file: "state/keys.ts",
    from: "`P#${principal}#S#${encode(session)}`",
    to: "`P##S#${encode(session)}`",
    tests: SESSIONS,
  },
  {
    name: "the principal is in the key of a claim",
    file: "state/keys.ts",
    from: "`P#${principal}#I#${hash}`",
    to: "`P##I#${hash}`",
    tests: KEYED,
  },
  {
    name: "the principal is in the key of a cached result",
    file: "calls/call-tool.ts",
    from: "shared ? SHARED_OWNER : principalPartition(caller.principal.id)",
    to: "shared ? SHARED_OWNER : principalPartition(caller.principal.kind)",
    tests: CACHE,
  },
  {
    name: "a repeated append looks for its own entry",
    file: "state/log.ts",
    from: "if (own) return sequenceOf(place, own);",
    to: "void own;",
    tests: LOG,
  },
  {
    name: "a repeated append steps from one position to the next",
    file: "state/log.ts",
    from: "let tail = fromTail;",
    to: "let tail = Math.max(fromTail, await this.tail(place));",
    tests: LOG,
  },
  {
    name: "an append loses when somebody else stands there",
    file: "state/log.ts",
    from: "    return written;\n",
    to: "    return written || true;\n",
    tests: LOG,
  },
  {
    name: "a gap in a stream is not passed over",
    file: "mcp/legacy/events.ts",
    from: "if (sequence !== after + events.length + 1) throw cannotResume();",
    to: "",
    tests: EVENTS,
  },
  {
    name: "an event that landed where others were trimmed is appended again",
    file: "mcp/legacy/events.ts",
    from: "if ((await this.tail(stream)) - sequence < KEPT) return sequence;",
    to: "return sequence;",
    tests: EVENTS,
  },
  {
    name: "nothing is read where events are trimmed",
    file: "mcp/legacy/events.ts",
    from: " && (await this.tail(stream)) - after > KEPT) throw",
    to: " && after < 0) throw",
    tests: EVENTS,
  },
  {
    name: "a stream is not said to be over while its call may still run",
    file: "mcp/legacy/stream.ts",
    from: "> limits.callTimeoutMs + CALL_MARGIN_MS",
    to: "> limits.callTimeoutMs - CALL_MARGIN_MS",
    tests: ["mcp/legacy/http.test.ts"],
  },
  {
    name: "one claim per key",
    file: "state/idempotency.ts",
    from: "if (!put.written) throw new ClaimLost();",
    to: "",
    tests: KEYED,
  },
  {
    name: "a claim is taken over under the same operation",
    file: "state/idempotency.ts",
    from: "this.#stamp = Number(attributes.stamp);",
    to: "this.#stamp = this.#idempotency.clock.now();",
    tests: KEYED,
  },
  {
    name: "a claim is taken over where the first attempt began to write",
    file: "state/idempotency.ts",
    from: "if (name.startsWith(PINNED))",
    to: "if (name.startsWith(`no ${PINNED}`))",
    tests: KEYED,
  },
  {
    name: "a renewed stamp is recorded in the claim before it is used",
    file: "state/idempotency.ts",
    from: "await this.#record({ [RENEWED + position]: renewed });",
    to: "",
    tests: KEYED,
  },
  {
    name: "only the holder of a claim completes it",
    file: "state/idempotency.ts",
    from: 'const match = { status: "open", owner: held.owner, fence: held.fence };',
    to: 'const match = { status: "open" };',
    tests: KEYED,
  },
  {
    name: "a key means the arguments it came with",
    file: "state/idempotency.ts",
    from: "if (entry.attributes.arguments !== argumentsHash) {",
    to: "if (entry.attributes.arguments === undefined) {",
    tests: KEYED,
  },
  {
    name: "a claim that is held is not taken",
    file: "state/idempotency.ts",
    from: "const waitMs = heldForMs(entry, this.clock);",
    to: "const waitMs = heldForMs(undefined, this.clock);",
    tests: KEYED,
  },
  {
    name: "an anonymous caller's key reaches nobody else's answer",
    file: "calls/call-tool.ts",
    from: 'call.principal.kind === "anonymous" && !sessionName',
    to: 'call.principal.kind !== "anonymous" && !runtime',
    tests: KEYED,
  },
  {
    name: "a lease is taken as it was seen",
    file: "state/lease.ts",
    from: '{ on: "live", match: { owner: String(seen.attributes.owner), fence: Number(seen.attributes.fence) } }',
    to: '{ on: "live" }',
    tests: LEASE,
  },
  {
    name: "a lease nobody has seen is taken by one",
    file: "state/lease.ts",
    from: '{ on: "live-or-missing", version: 0 }',
    to: '{ on: "live-or-missing" }',
    tests: LEASE,
  },
  {
    name: "only its holder renews a lease",
    file: "state/lease.ts",
    from: '      on: "live",\n      match: { owner: held.owner, fence: held.fence },\n',
    to: '      on: "live",\n',
    tests: LEASE,
  },
  {
    name: "only its holder releases a lease",
    file: "state/lease.ts",
    from: '{ set: { until: 0 }, versions: 0 }, { on: "live", match }',
    to: '{ set: { until: match.fence * 0 }, versions: 0 }, { on: "live" }',
    tests: LEASE,
  },
  {
    name: "the fence of a kept result",
    file: "state/cache.ts",
    from: '{ on: "live-or-missing", rising }',
    to: '{ on: "live-or-missing" }',
    tests: CACHE,
  },
  {
    name: "the fence of a kept result that has expired",
    file: "state/cache.ts",
    from: '{ on: "dead", rising }',
    to: '{ on: "dead" }',
    tests: CACHE,
  },
];
