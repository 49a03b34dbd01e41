// The three kinds of event for one HTTP request, as their front doors make them.
import type { HttpEvent, RestEvent } from "../src/lambda/handler.ts";

export interface Sent {
  readonly method?: string;
  readonly path?: string;
  readonly query?: readonly (readonly [string, string])[];
  readonly headers?: readonly (readonly [string, string])[];
  readonly body?: string;
  readonly isBase64Encoded?: boolean;
}

const lists = (pairs: readonly (readonly [string, string])[]): Record<string, string[]> | null => {
  const all: Record<string, string[]> = Object.create(null);
  for (const [name, value] of pairs) {
    const list = all[name] ?? [];
    all[name] = list;
    list.push(value);
  }
  return pairs.length === 0 ? null : all;
};

export function restEvent({ method = "POST", path = "/mcp", query = [], headers = [], ...body }: Sent = {}): RestEvent {
  return {
    httpMethod: method,
    path,
    resource: "/{proxy+}",
    headers: headers.length === 0 ? null : Object.fromEntries(headers),
    multiValueHeaders: lists(headers),
    queryStringParameters: query.length === 0 ? null : Object.fromEntries(query),
    multiValueQueryStringParameters: lists(query),
    body: null,
    isBase64Encoded: false,
    ...body,
    requestContext: { domainName: "api.example" },
  };
}

/** An HTTP API's event; a function URL's has the same shape and the stage `$default`. */
export function httpEvent(
  { method = "POST", path = "/mcp", query = [], headers = [], ...body }: Sent = {},
  stage = "$default",
): HttpEvent {
  const plain = headers.filter(([name]) => name.toLowerCase() !== "cookie");
  const names = [...new Set(plain.map(([name]) => name.toLowerCase()))];
  const values = (wanted: string) => plain.filter(([name]) => name.toLowerCase() === wanted).map(([, value]) => value);
  const cookies = headers.filter(([name]) => name.toLowerCase() === "cookie").map(([, value]) => value);
  return {
    version: "2.0",
    rawPath: stage === "$default" ? path : `/${stage}${path}`,
    rawQueryString: new URLSearchParams(query.map(([name, value]): [string, string] => [name, value])).toString(),
    headers: Object.fromEntries(names.map((name) => [name, values(name).join(",")])),
    ...(cookies.length > 0 && { cookies }),
    ...body,
    requestContext: { http: { method }, domainName: "api.example", stage },
  };
}
