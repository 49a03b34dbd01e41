// Turns the kinds of Lambda HTTP event into a Request and a Response into what their front doors read.
// Knows nothing of streams, time or routes. An event is a caller's input wherever a client can write in it.
import { isUtf8 } from "node:buffer";
import { AppError, type Principal, tokenPrincipal } from "@stateful-mcp/core/runtime";
import { DOT_SEGMENTS_REFUSED, hasDotSegments } from "../dot-segments.ts";

type Texts = Readonly<Record<string, string | undefined>>;
type TextLists = Readonly<Record<string, readonly string[] | undefined>>;

/** What the adapter reads of an event of a REST API (payload format 1.0); an HTTP API that uses this format sets `version`. */
export interface RestEvent {
  readonly version?: string;
  readonly httpMethod: string;
  readonly path: string;
  readonly resource?: string;
  readonly pathParameters?: Texts | null;
  readonly headers?: Texts | null;
  readonly multiValueHeaders?: TextLists | null;
  readonly queryStringParameters?: Texts | null;
  readonly multiValueQueryStringParameters?: TextLists | null;
  readonly body?: string | null;
  readonly isBase64Encoded?: boolean;
  readonly requestContext?: {
    readonly domainName?: string;
    readonly stage?: string;
    /** Set by an Application Load Balancer. */
    readonly elb?: unknown;
    readonly identity?: { readonly sourceIp?: string } | null;
    readonly authorizer?: Readonly<Record<string, unknown>> | null;
  };
}

/** What the adapter reads of an event of an HTTP API or a function URL (payload format 2.0). */
export interface HttpEvent {
  readonly version: "2.0";
  readonly rawPath: string;
  readonly rawQueryString?: string;
  readonly cookies?: readonly string[];
  readonly headers?: Texts;
  readonly body?: string;
  readonly isBase64Encoded?: boolean;
  readonly requestContext: {
    readonly http: { readonly method: string; readonly sourceIp?: string };
    readonly domainName?: string;
    readonly stage?: string;
  };
}

/** An HTTP request as API Gateway or a function URL hands it to a function. */
export type LambdaEvent = RestEvent | HttpEvent;

/** What a buffered function returns. REST APIs read `multiValueHeaders`, the others `headers` and `cookies`. */
export interface LambdaResult {
  readonly statusCode: number;
  readonly headers?: Record<string, string>;
  readonly multiValueHeaders?: Record<string, string[]>;
  readonly cookies?: string[];
  readonly body: string;
  readonly isBase64Encoded: boolean;
}

/** What comes before the body of a streamed answer. */
export interface Prelude {
  readonly statusCode: number;
  readonly headers: Record<string, string>;
  readonly cookies: string[];
}

const isHttpEvent = (event: LambdaEvent): event is HttpEvent => event?.version === "2.0";

/** A text, null, an event of a queue or a schedule: what a function is invoked with by hand or by mistake. */
export const isLambdaEvent = (event: unknown): event is LambdaEvent => {
  if (typeof event !== "object" || event === null) return false;
  const { httpMethod, path, rawPath, requestContext } = event as Partial<RestEvent & HttpEvent>;
  if (typeof httpMethod === "string" && typeof path === "string") return true;
  return typeof rawPath === "string" && typeof requestContext?.http?.method === "string";
};

/** @throws AppError `invalid_input` for an event that makes no request. */
export function toRequest(event: LambdaEvent, signal: AbortSignal): Request {
  if (!isLambdaEvent(event))
    throw new AppError(
      "invalid_input",
      "The event is no HTTP request: expected one of a REST API, an HTTP API, a function URL or an Application Load Balancer.",
    );
  try {
    const method = isHttpEvent(event) ? event.requestContext.http.method : event.httpMethod;
    const body = method === "GET" || method === "HEAD" ? undefined : bodyOf(event);
    const headers = headersOf(event);
    // The client's own word on the length may be of another encoding of it.
    headers.delete("content-length");
    if (body) headers.set("content-length", String(body.byteLength));
    // Nothing follows the path, and signs that would end it in an address are encoded below.
    if (hasDotSegments((isHttpEvent(event) ? event.rawPath : event.path).replace(/[?#]/g, "-")))
      throw new AppError("invalid_input", DOT_SEGMENTS_REFUSED);
    return new Request(urlOf(event), { method, headers, signal, ...(body && { body }) });
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw new AppError("invalid_input", "The request's method, address or headers are not valid HTTP.", {
      cause: error,
    });
  }
}

/** The network address of the client, as the front door saw it. */
export const addressOf = (event: LambdaEvent): string | undefined =>
  !isLambdaEvent(event)
    ? undefined
    : isHttpEvent(event)
      ? event.requestContext.http.sourceIp
      : event.requestContext?.identity?.sourceIp;

/**
 * Whom a REST API's Lambda authorizer let in, by the `name` and `scopes` of its answer. Only this kind of event has a place
 * that no client can write to and that says so; of any other the result is undefined.
 */
export function authorizedCaller(event: LambdaEvent): Principal | undefined {
  if (!isLambdaEvent(event) || event.version !== undefined || !("httpMethod" in event)) return undefined;
  const { name, scopes } = event.requestContext?.authorizer ?? {};
  if (typeof name !== "string" || !/^[A-Za-z0-9_-]{1,64}$/.test(name)) return undefined;
  // Absent, they mean no bounds. A text lists them; anything else is no list, and allows nothing.
  const listed = typeof scopes === "string" ? scopes.split(" ").filter(Boolean) : [];
  return tokenPrincipal(name, scopes === undefined ? undefined : listed);
}

export function toPrelude(response: Response): Prelude {
  const { set, cookies } = headersAndCookies(response);
  return { statusCode: response.status, headers: set, cookies };
}

export function toResult(event: LambdaEvent, response: Response, body: Buffer): LambdaResult {
  const { set, cookies } = headersAndCookies(response);
  // A front door decodes Base64 only where it is told to, so text stays text.
  const isText = isUtf8(body) && !response.headers.has("content-encoding");
  return {
    statusCode: response.status,
    ...(isHttpEvent(event) ? { headers: set, cookies } : { multiValueHeaders: listed(set, cookies) }),
    // A load balancer reads one or the other, as its target group is set.
    ...(isFromLoadBalancer(event) && { headers: { ...set, ...(cookies[0] && { "set-cookie": cookies[0] }) } }),
    body: body.toString(isText ? "utf8" : "base64"),
    isBase64Encoded: !isText,
  };
}

function headersAndCookies({ headers }: Response): { set: Record<string, string>; cookies: string[] } {
  const set = Object.fromEntries([...headers].filter(([name]) => name !== "set-cookie"));
  return { set, cookies: headers.getSetCookie() };
}

function listed(set: Record<string, string>, cookies: string[]): Record<string, string[]> {
  const lists = Object.entries(set).map(([name, value]) => [name, [value]] as const);
  return Object.fromEntries(cookies.length > 0 ? [...lists, ["set-cookie", cookies] as const] : lists);
}

function bodyOf(event: LambdaEvent): Buffer<ArrayBuffer> | undefined {
  const { body, isBase64Encoded } = event;
  if (body === undefined || body === null || body === "") return undefined;
  if (!isBase64Encoded) return Buffer.from(body, "utf8");
  const bytes = Buffer.from(body, "base64");
  // Buffer skips what is not Base64 instead of refusing it.
  if (bytes.toString("base64").replace(/=+$/, "") === body.replace(/=+$/, "")) return bytes;
  throw new AppError("invalid_input", "The request body is not valid Base64, although the event says so.");
}

function headersOf(event: LambdaEvent): Headers {
  const headers = new Headers();
  const append = (name: string, value: string | undefined) => {
    if (value !== undefined) headers.append(name, inLatin1(value));
  };
  if (isHttpEvent(event)) {
    for (const [name, value] of Object.entries(event.headers ?? {})) append(name, value);
    if (event.cookies?.length) headers.set("cookie", inLatin1(event.cookies.join("; ")));
    return headers;
  }
  // Both are there or one of them, and either may be empty.
  const lists = Object.entries(event.multiValueHeaders ?? {});
  for (const [name, values] of lists) for (const value of values ?? []) append(name, value);
  if (lists.length === 0) for (const [name, value] of Object.entries(event.headers ?? {})) append(name, value);
  return headers;
}

/** A header holds bytes; what is beyond them arrives as its UTF-8, as it does over a socket. */
const inLatin1 = (value: string): string =>
  /[\u0100-\uffff]/.test(value) ? Buffer.from(value, "utf8").toString("latin1") : value;

function urlOf(event: LambdaEvent): URL {
  // AWS names the domain. The Host header is the client's and must not shape the address.
  const url = new URL(`https://${event.requestContext?.domainName ?? "localhost"}`);
  url.pathname = isHttpEvent(event) ? pathOf(event) : restPathOf(event);
  if (isHttpEvent(event)) url.search = event.rawQueryString ?? "";
  else for (const [name, value] of queryOf(event)) url.searchParams.append(name, value);
  return url;
}

/** An HTTP API's named stage is part of the path it hands on. */
function pathOf({ rawPath, requestContext: { stage } }: HttpEvent): string {
  const prefix = `/${stage}`;
  const staged =
    stage !== undefined && stage !== "$default" && (rawPath === prefix || rawPath.startsWith(`${prefix}/`));
  return staged ? rawPath.slice(prefix.length) : rawPath;
}

/**
 * Without what stands before the API's own path: an HTTP API with payload format 1.0 puts its named stage there, a custom domain its
 * base path.
 */
function restPathOf({ version, path, resource, pathParameters, requestContext }: RestEvent): string {
  const stage = `/${requestContext?.stage}`;
  const unstaged = version !== undefined && path.startsWith(`${stage}/`) ? path.slice(stage.length) : path;
  const proxy = pathParameters?.proxy;
  const own = proxy === undefined ? resource : resource?.replace("{proxy+}", proxy);
  return own !== undefined && own !== "" && unstaged.endsWith(own) && !own.includes("{") ? own : unstaged;
}

const isFromLoadBalancer = (event: LambdaEvent): boolean =>
  !isHttpEvent(event) && event.requestContext?.elb !== undefined;

function queryOf(event: RestEvent): [string, string][] {
  const lists = Object.entries(event.multiValueQueryStringParameters ?? {});
  const pairs =
    lists.length > 0
      ? lists.flatMap(([name, values]) => (values ?? []).map((value): [string, string] => [name, value]))
      : Object.entries(event.queryStringParameters ?? {}).map(([name, value]): [string, string] => [name, value ?? ""]);
  // A load balancer hands them on as they stand in the address.
  return isFromLoadBalancer(event) ? pairs.map(([name, value]) => [decoded(name), decoded(value)]) : pairs;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    return text;
  }
}
