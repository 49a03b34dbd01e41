// The way of a plain POST to /mcp from its headers and body, as a carrier has them, to the text of its answer: no Request, no route and no
// Response between. It asks what the router asks, and hands on what is not surely plain before anything has happened, so that a refusal
// is said, and has its line, in one place. Knows no socket and no framework.
import { randomUUID } from "node:crypto";
import type { ToolResult } from "../calls/call-tool.ts";
import type { Services } from "../calls/services.ts";
import type { Unsent } from "../calls/unsent.ts";
import type { AppError } from "../errors.ts";
import { faultOfMessage } from "../mcp/message-check.ts";
import { type PlainAnswer, type PlainCaller, type PlainPath, plainRequest } from "../mcp/plain.ts";
import { answerInTime } from "../mcp/sse.ts";
import { isGranted, type Principal } from "../principal.ts";
import type { Bodies } from "./body.ts";
import { type CallerCheck, callerOf, traceOfHeaders } from "./caller-of-request.ts";
import { dress } from "./guard.ts";
import type { FindAddress } from "./network.ts";
import { asAppError, problemText } from "./problem.ts";

/** A POST to `/mcp`, with nothing behind the path, whose body has not been read. No header comes twice. */
export interface Posted {
  /** By their names in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Of the connection. */
  readonly address: string | undefined;
  /** Aborted when the client has gone away before its answer. */
  readonly signal: AbortSignal;
  /** Calls back once the answer has been taken by its client, or its connection is gone. */
  onSent(done: () => void): void;
  /** The whole body. Rejects when it does not come to its end. */
  read(): Promise<Buffer>;
}

/** What a POST that took the short way is answered with. */
export interface ShortAnswer {
  readonly requestId: string;
  /** The 2025-era session that it was asked in. */
  readonly session: string | undefined;
  /** A text is the JSON of an answer with status 200. */
  readonly answer: PlainAnswer;
}

/** A POST as it is given to what answers messages of the 2025 era. */
interface ShortPost {
  readonly headers: Pick<Headers, "get">;
  request(): Request;
}

/** What a plain POST asks for. */
export interface AskedShort {
  /** The tool it calls; empty: none. */
  readonly name: string;
  /** Undefined hands it on, before it was let in. `admit`: false where it is not let in. */
  answer(caller: PlainCaller, admit: () => boolean): Promise<PlainAnswer | undefined>;
}

/** What a short way is made with. */
export interface ShortWayParts {
  readonly callers: CallerCheck;
  readonly findAddress: FindAddress;
  /** Names under which the server may be addressed; undefined: any. */
  readonly hosts: readonly string[] | undefined;
  readonly services: Services;
  readonly bodies: Bodies;
  readonly unsent: Unsent;
  readonly plainPath: PlainPath;
  /** Has the SDK answer; with `ran`, the tool is not run again. */
  bySdk(request: Request, body: unknown, caller: PlainCaller, ran?: Promise<ToolResult>): Promise<Response>;
  /** The plain call of the 2025 era that a message is; undefined: something else. */
  legacyCall(post: ShortPost, message: unknown): AskedShort | undefined;
}

/** A name or an address, in brackets if it has colons, and perhaps a port: other forms are for the router to judge. */
const HOST = /^([a-z0-9.-]+|\[[0-9a-f:]+\])(?::\d{1,5})?$/;
const LENGTH = /^\d{1,9}$/;

/** The short way of an app, beside its `fetch`. */
export class ShortWay {
  readonly #parts: ShortWayParts;
  readonly #hosts: ReadonlySet<string> | undefined;

  constructor(parts: ShortWayParts) {
    this.#parts = parts;
    this.#hosts = parts.hosts && new Set(parts.hosts);
  }

  /** Undefined, at once or in the end, hands the request on: nothing has happened but that its body may have been read. */
  answer(posted: Posted): Promise<ShortAnswer | undefined> | undefined {
    const { headers } = posted;
    const length = headers["content-length"];
    if (headers["content-type"] !== "application/json" || typeof length !== "string" || !LENGTH.test(length))
      return undefined;
    // What a page sends, what is encoded, and what begins a session goes the long way.
    if (headers.origin !== undefined || headers["content-encoding"] !== undefined) return undefined;
    if (!headers["mcp-method"] && !headers["mcp-session-id"]) return undefined;
    const name = nameOf(headers.host);
    if (name === undefined || this.#hosts?.has(name) === false) return undefined;
    return this.#read(posted, Number(length));
  }

  async #read(posted: Posted, length: number): Promise<ShortAnswer | undefined> {
    const { bodies, findAddress, callers, services, unsent } = this.#parts;
    const header = (name: string) => textOf(posted.headers[name]);
    const address = findAddress(posted.address, header("x-forwarded-for"));
    const principal = await callerOf(header("authorization"), { address }, callers).catch(() => undefined);
    const read = principal && (await bodies.readDeclared(length, principal, () => posted.read()));
    if (!read || faultOfMessage(read.body) !== undefined) return undefined;
    const asked = this.#asked(posted, { get: (name) => header(name) ?? null }, read.body);
    if (!asked || !mayCall(principal, asked.name, services)) return undefined;
    const requestId = randomUUID();
    const http = { requestId, trace: traceOfHeaders(header), transport: undefined, taken: true };
    const onSent = (done: () => void) => posted.onSent(done);
    const caller = { principal, timeLimitMs: undefined, http, unsent: unsent.answerTo(principal, onSent) };
    const answer = await asked
      .answer(caller, read.admit)
      .catch(async (thrown: unknown) => failure(await asAppError(thrown, services.logger)));
    if (answer === undefined) return undefined;
    if (typeof answer !== "string") {
      answer.headers.set("X-Request-Id", requestId);
      dress(answer);
    }
    const session = posted.headers["mcp-method"] === undefined ? header("mcp-session-id") : undefined;
    return { requestId, session, answer };
  }

  /** Undefined: it is not surely plain. */
  #asked(posted: Posted, headers: Pick<Headers, "get">, body: unknown): AskedShort | undefined {
    const { plainPath } = this.#parts;
    if (headers.get("mcp-method") === null)
      return this.#parts.legacyCall({ headers, request: () => requestOf(posted) }, body);
    const plain = plainRequest(headers, body);
    if (!plain || !plainPath.takes(plain)) return undefined;
    const answer: AskedShort["answer"] = async (caller, admit) => {
      if (!admit()) return undefined;
      const sdk = (ran?: Promise<ToolResult>) => this.#parts.bySdk(requestOf(posted), body, caller, ran);
      return answerInTime(plainPath.answer(plain, { ...caller, signal: posted.signal, sdk }));
    };
    return { name: plain.name, answer };
  }
}

function mayCall(principal: Principal, name: string, { tools }: Services): boolean {
  const tool = tools.get(name);
  return tool === undefined || isGranted(principal, tool.scope);
}

/** The name in a Host header; undefined where it makes no URL, or one of another name. */
function nameOf(host: string | string[] | undefined): string | undefined {
  const [, name] = (typeof host === "string" && HOST.exec(host)) || [];
  return name !== undefined && URL.parse(`http://${host}`)?.hostname === name ? name : undefined;
}

const textOf = (value: string | string[] | undefined): string | undefined =>
  typeof value === "string" ? value : value?.join(", ");

function failure(error: AppError): Response {
  const headers = { "Content-Type": "application/problem+json" };
  return new Response(problemText(error), { status: error.status, headers });
}

/** What the SDK reads besides the body, which it is given. */
function requestOf({ headers, signal }: Posted): Request {
  const given = new Headers();
  for (const [name, value] of Object.entries(headers)) {
    const text = textOf(value);
    if (text !== undefined && name !== "content-length") given.set(name, text);
  }
  return new Request(`http://${given.get("host")}/mcp`, { method: "POST", headers: given, signal });
}
