// A REST API with response streaming and a Lambda authorizer, on loopback: requests become events, chunks leave as they come, and
// the headers that API Gateway keeps for itself are renamed.
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer, json } from "node:stream/consumers";
import type { LambdaFunction } from "./function.ts";
import { FunctionError } from "./runtime-api.ts";

export interface FrontDoorOptions {
  readonly server: LambdaFunction;
  readonly authorizer: LambdaFunction;
  /** Paths that no authorizer guards. */
  readonly open: readonly string[];
  /** The `WWW-Authenticate` header of the gateway response UNAUTHORIZED. */
  readonly challenge: string;
  /** The name under which clients come. */
  readonly domainName: string;
}

interface Prelude {
  readonly statusCode: number;
  readonly headers?: Record<string, string>;
  readonly cookies?: string[];
}

export class FrontDoor implements AsyncDisposable {
  readonly #options: FrontDoorOptions;
  readonly #server: Server;

  private constructor(options: FrontDoorOptions) {
    this.#options = options;
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch((error: Error) => {
        if (response.headersSent) response.destroy(error);
        else
          response
            .writeHead(502, { "Content-Type": "application/json" })
            .end(JSON.stringify({ message: error.message }));
      });
    });
  }

  static async listen(options: FrontDoorOptions): Promise<FrontDoor> {
    const door = new FrontDoor(options);
    door.#server.listen(0, "127.0.0.1");
    await once(door.#server, "listening");
    return door;
  }

  get url(): URL {
    return new URL(`http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/mcp`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const event = await eventOf(request);
    const authorizer = this.#options.open.some((path) => event.path.startsWith(path))
      ? undefined
      : await this.#authorize(event);
    if (authorizer === null)
      return void response
        .writeHead(401, { "Content-Type": "application/json", "WWW-Authenticate": this.#options.challenge })
        .end('{"message":"Unauthorized"}');
    const requestContext = { domainName: this.#options.domainName, stage: "prod", ...(authorizer && { authorizer }) };
    const { body } = await this.#options.server.invoke({ ...event, requestContext });
    await relay(body, response);
  }

  /** What the authorizer adds to the request; null: it refused. */
  async #authorize(event: Awaited<ReturnType<typeof eventOf>>): Promise<Record<string, unknown> | null> {
    // A REST API does not ask an authorizer whose identity source is missing.
    if (event.headers.authorization === undefined) return null;
    try {
      const methodArn = `arn:aws:execute-api:eu-west-1:123456789012:abc123/prod/${event.httpMethod}${event.path}`;
      const { body } = await this.#options.authorizer.invoke({ type: "REQUEST", methodArn, ...event });
      const { context, principalId } = (await json(body)) as { context: object; principalId: string };
      return { ...context, principalId };
    } catch (error) {
      if (error instanceof FunctionError && error.message === "Unauthorized") return null;
      throw error;
    }
  }
}

async function eventOf(request: IncomingMessage) {
  const url = new URL(request.url ?? "/", "http://localhost");
  const body = await buffer(request);
  const query: Record<string, string[]> = {};
  for (const name of url.searchParams.keys()) query[name] = url.searchParams.getAll(name);
  const single = Object.entries(request.headers).map(([name, value]) => [name, String(value)] as const);
  return {
    resource: "/{proxy+}",
    path: url.pathname,
    httpMethod: request.method ?? "GET",
    headers: Object.fromEntries(single) as Record<string, string | undefined>,
    multiValueHeaders: Object.fromEntries(single.map(([name, value]) => [name, [value]])),
    multiValueQueryStringParameters: url.search === "" ? null : query,
    body: body.length === 0 ? null : body.toString("utf8"),
    isBase64Encoded: false,
  };
}

/** A REST API does this to some headers of a function's answer (developer guide, "Amazon API Gateway important notes"). */
const renamed = (headers: Record<string, string>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name.toLowerCase() === "www-authenticate" ? `x-amzn-remapped-${name}` : name,
      value,
    ]),
  );

const SEPARATOR = Buffer.alloc(8);

/** The prelude, eight NUL bytes, then the body, each chunk as soon as it is there. */
async function relay(chunks: AsyncIterable<Buffer>, response: ServerResponse): Promise<void> {
  let head: Buffer | undefined = Buffer.alloc(0);
  for await (const chunk of chunks) {
    if (head === undefined) {
      response.write(chunk);
      continue;
    }
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf(SEPARATOR);
    if (end < 0) continue;
    const { statusCode, headers, cookies } = JSON.parse(head.subarray(0, end).toString()) as Prelude;
    response.writeHead(statusCode, { ...renamed(headers ?? {}), ...(cookies?.length && { "set-cookie": cookies }) });
    response.flushHeaders();
    const rest = head.subarray(end + SEPARATOR.length);
    if (rest.length > 0) response.write(rest);
    head = undefined;
  }
  if (head !== undefined) throw new Error(`The function's answer has no prelude: ${head.subarray(0, 500).toString()}`);
  response.end();
}
