// The function and its authorizer as AWS would run them: the assets of a synthesis, with the environment their template gives them,
// under AWS's own runtime client, behind a REST API that streams, with state in a DynamoDB engine, for real clients of both eras.
import { json } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { Client, ClientCredentialsProvider, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { Client as FirstClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as FirstTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { type App, createApp, tokenPrincipal } from "@stateful-mcp/core";
import { createDynamoDBClient, DynamoDBStore, setupTable } from "@stateful-mcp/core/dynamodb";
import { type Engine, startDynalite } from "@stateful-mcp/rig";
import { App as CdkApp, Stack } from "aws-cdk-lib";
import { Template } from "aws-cdk-lib/assertions";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LambdaMcpServer, StateTable } from "../src/index.ts";
import { synthesize } from "../test/synthesis.ts";
import { type DeployedFunction, functionsOf } from "./assets.ts";
import { FrontDoor } from "./front-door.ts";
import { LambdaFunction } from "./function.ts";
import { Issuer } from "./issuer.ts";
import { findRuntimeClient } from "./runtime-client.ts";
import { Secrets } from "./secrets.ts";

const TABLE = "mcp_state";
const ALICE = "alice-0123456789abcdef0123456789abcdef";
const BOB = "bob-0123456789abcdef0123456789abcdef0123";

const real = await findRuntimeClient();
if ("missing" in real)
  process.stderr.write(`\nAWS's runtime client is NOT under test, a double of it is: ${real.missing}\n\n`);
const runtime = "file" in real ? real.file : fileURLToPath(new URL("./runtime-double.mjs", import.meta.url));
const under = "file" in real ? "AWS's runtime client" : "a double of AWS's runtime client";

/** What the templates call them. */
const SERVER = "MCP server";
const AUTHORIZER = "Checks the bearer tokens of the MCP server";
const OAUTH_AUTHORIZER = "Checks the OAuth tokens of the MCP server";

const OPEN = ["/healthz", "/.well-known/"];
const DOMAIN = "mcp.example.com";

/** What the API of a template answers to strangers, without the quotes in which API Gateway wants it. */
const challengeOf = (template: Template): string =>
  Object.values(template.findResources("AWS::ApiGateway::GatewayResponse"))
    .map(({ Properties }) => String(Properties.ResponseParameters["gatewayresponse.header.WWW-Authenticate"]))[0]!
    .slice(1, -1);

/** The functions of `cdk synth LambdaStack`, and those of a stack with an entry of one's own. */
let ready: ReadonlyMap<string, DeployedFunction>;
let own: ReadonlyMap<string, DeployedFunction>;
let challenge: string;
let engine: Engine;
/** This test's own way to the same state, past the function. */
let beside: App;

beforeAll(async () => {
  const synthesis = await synthesize();
  ready = functionsOf(synthesis.folder, synthesis.template("LambdaStack"));
  challenge = challengeOf(synthesis.template("LambdaStack"));
  const app = new CdkApp();
  const stack = new Stack(app, "Own");
  const state = StateTable.fromNames(stack, "State", { tableName: TABLE });
  new LambdaMcpServer(stack, "Server", { state, entry: fileURLToPath(new URL("./own-app.ts", import.meta.url)) });
  const template = Template.fromStack(stack);
  own = functionsOf(app.synth().directory, template);
  engine = await startDynalite();
  const client = createDynamoDBClient(engine.connection);
  await setupTable(client, TABLE, () => {});
  beside = createApp({ store: new DynamoDBStore({ client, table: TABLE }) });
}, 300_000);

afterAll(() => engine?.stop());

/** What only a deployment knows is given here; everything else is as the template has it. */
const start = (deployed: DeployedFunction | undefined, environment: Record<string, string> = {}, handler?: string) =>
  LambdaFunction.start({
    runtime,
    folder: deployed!.folder,
    handler: handler ?? deployed!.handler,
    environment: {
      ...deployed!.environment,
      MCP_STATE_TABLE: TABLE,
      DYNAMODB_ENDPOINT_URL: `http://127.0.0.1:${engine.port}`,
      ...environment,
    },
  });

/** A function behind its authorizer and front door; everything ends with the returned object. */
async function deploy(functions: ReadonlyMap<string, DeployedFunction>, settings: Record<string, string> = {}) {
  const parts = new AsyncDisposableStack();
  const secrets = parts.use(await Secrets.listen("tokens", `alice=${ALICE},bob=${BOB}`));
  const server = parts.use(await start(functions.get(SERVER)));
  const authorizer = parts.use(
    await start(functions.get(AUTHORIZER), {
      AWS_ENDPOINT_URL_SECRETS_MANAGER: secrets.url,
      MCP_AUTH_TOKEN_SECRET: "tokens",
      ...settings,
    }),
  );
  const door = parts.use(await FrontDoor.listen({ server, authorizer, open: OPEN, challenge, domainName: DOMAIN }));
  return { secrets, server, authorizer, url: door.url, [Symbol.asyncDispose]: () => parts.disposeAsync() };
}

const withToken = (token: string) => ({ requestInit: { headers: { Authorization: `Bearer ${token}` } } });

interface AnyClient {
  callTool(call: { name: string; arguments: Record<string, unknown> }): Promise<unknown>;
  close(): Promise<void>;
}
type Connect = (url: URL, token: string) => Promise<AnyClient>;

const v2 =
  (mode: "auto" | "legacy" | { pin: string }): Connect =>
  async (url, token) => {
    const client = new Client({ name: "lambda-test", version: "1" }, { versionNegotiation: { mode } });
    await client.connect(new StreamableHTTPClientTransport(url, withToken(token)));
    return client;
  };
const v1: Connect = async (url, token) => {
  const client = new FirstClient({ name: "lambda-test", version: "1" });
  await client.connect(new FirstTransport(url, withToken(token)) as Parameters<typeof client.connect>[0]);
  return client;
};
const clients: [string, Connect][] = [
  ["the v2 client, modern", v2({ pin: "2026-07-28" })],
  ["the v2 client, choosing itself", v2("auto")],
  ["the v2 client, 2025 era", v2("legacy")],
  ["the v1 client", v1],
];

const result = async (answer: Promise<unknown>) =>
  ((await answer) as { structuredContent?: Record<string, unknown> }).structuredContent;

describe(`the ready server's asset under ${under}`, () => {
  it("answers clients of both eras, cold and warm, on one state that outlives the environment", async () => {
    const session_id = "shared";
    let count = 0;
    for (const [name, connect] of clients) {
      // Each finds a cold environment, whose second and later events are warm.
      await using deployed = await deploy(ready);
      const client = await connect(deployed.url, ALICE);
      for (const note of [`${name}, cold`, `${name}, warm`]) {
        count += 1;
        expect(await result(client.callTool({ name: "add_note", arguments: { note, session_id } }))).toMatchObject({
          count,
        });
      }
      await client.close();
    }
    const notes = await beside.call({
      name: "get_notes",
      arguments: { session_id },
      principal: tokenPrincipal("alice"),
    });
    expect(notes.structured.notes).toEqual(clients.flatMap(([name]) => [`${name}, cold`, `${name}, warm`]));
  });

  it("keeps the callers of different tokens apart", async () => {
    await using deployed = await deploy(ready);
    const [alice, bob] = await Promise.all([v2("auto")(deployed.url, ALICE), v1(deployed.url, BOB)]);
    const mine = { session_id: "mine" };
    await alice.callTool({ name: "store_value", arguments: { ...mine, key: "k", value: "alice's" } });
    expect(await result(bob.callTool({ name: "get_value", arguments: { ...mine, key: "k" } }))).toMatchObject({
      found: false,
    });
    await Promise.all([alice.close(), bob.close()]);
  });

  it("answers whole where the front door does not stream", async () => {
    await using fn = await start(ready.get(SERVER), {}, "index.bufferedHandler");
    const answer = await fn.invoke({
      version: "2.0",
      rawPath: "/healthz",
      rawQueryString: "",
      headers: {},
      requestContext: { http: { method: "GET" }, domainName: "api.example", stage: "$default" },
    });
    expect(answer.streamed).toBe(false);
    expect(await json(answer.body)).toMatchObject({
      statusCode: 200,
      body: '{"status":"ok"}',
    });
  });

  it("does not start without knowing who may call, and says what to set", async () => {
    await using fn = await start(ready.get(SERVER), { STATEFUL_MCP_TRUST_AUTHORIZER: "off" });
    await expect(fn.invoke({})).rejects.toThrow(
      /No authentication is configured: set STATEFUL_MCP_TRUST_AUTHORIZER=on/,
    );
  });
});

describe(`a user's own entry under ${under}`, () => {
  it("streams: the first chunk arrives while the call runs, and the answer when it ends", async () => {
    await using deployed = await deploy(own);
    const post = (body: unknown, headers = {}) =>
      fetch(deployed.url, {
        method: "POST",
        headers: {
          Authorization: `Bearer ${ALICE}`,
          "Content-Type": "application/json",
          Accept: "application/json, text/event-stream",
          ...headers,
        },
        body: JSON.stringify({ jsonrpc: "2.0", ...(body as object) }),
      });
    const clientInfo = { name: "lambda-test", version: "1" };
    const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo };
    const hello = await post({ id: 1, method: "initialize", params });
    expect(await hello.json()).toMatchObject({ result: { serverInfo: { name: "users-own" } } });
    const session = { "Mcp-Session-Id": hello.headers.get("mcp-session-id") ?? "" };
    await post({ method: "notifications/initialized" }, session);

    const setValue = (key: string) =>
      beside.call({
        name: "store_value",
        arguments: { session_id: "stream", key, value: "went" },
        principal: tokenPrincipal("alice"),
      });
    await setValue("session exists");
    const waiting = { name: "wait_for_value", arguments: { session_id: "stream", key: "go" } };
    const running = await post({ id: 2, method: "tools/call", params: waiting }, session);
    expect(running.headers.get("content-type")).toBe("text/event-stream");
    const reader = running.body?.pipeThrough(new TextDecoderStream()).getReader();
    const first = await reader?.read();
    expect(first?.value).toMatch(/^id: /);
    // The call is still running: what it waits for does not exist yet.
    await setValue("go");
    let rest = "";
    for (let read = await reader?.read(); read && !read.done; read = await reader?.read()) rest += read.value;
    expect(rest).toContain('"structuredContent":{"session_id":"stream","value":"went"}');
  });
});

describe(`the authorizer's asset under ${under}`, () => {
  const call = (url: URL, authorization?: string) =>
    fetch(new URL("/mcp/list_tools", url), { headers: authorization === undefined ? {} : { authorization } });

  it.each([undefined, "Bearer wrong-wrong-wrong-wrong-wrong-wrong", "Basic YTpi"])(
    "refuses %j with 401 and a challenge",
    async (authorization) => {
      await using deployed = await deploy(ready);
      const refused = await call(deployed.url, authorization);
      expect(refused.status).toBe(401);
      expect(refused.headers.get("www-authenticate")).toMatch(/^Bearer/);
      expect((await fetch(new URL("/healthz", deployed.url))).status).toBe(200);
    },
  );

  it("goes on through a rotation, and refuses a token taken out at the next request", async () => {
    await using deployed = await deploy(ready, { STATEFUL_MCP_TOKEN_CACHE_SECONDS: "0" });
    const next = "alice-next-0123456789abcdef0123456789abcdef";
    expect((await call(deployed.url, `Bearer ${ALICE}`)).status).toBe(200);
    deployed.secrets.value = `alice=${ALICE},alice=${next}`;
    expect((await call(deployed.url, `Bearer ${next}`)).status).toBe(200);
    expect((await call(deployed.url, `Bearer ${ALICE}`)).status).toBe(200);
    deployed.secrets.value = `alice=${next}`;
    expect((await call(deployed.url, `Bearer ${ALICE}`)).status).toBe(401);
    expect((await call(deployed.url, `Bearer ${next}`)).status).toBe(200);
    expect(deployed.authorizer.log + deployed.server.log).not.toMatch(/0123456789abcdef/);
  });

  it("reads the secret once for many requests", async () => {
    await using deployed = await deploy(ready, { STATEFUL_MCP_TOKEN_CACHE_SECONDS: "60" });
    for (let i = 0; i < 5; i++) expect((await call(deployed.url, `Bearer ${ALICE}`)).status).toBe(200);
    expect(deployed.secrets.reads).toBe(1);
  });
});

describe(`OAuth under ${under}`, () => {
  /** The stack with an issuer, behind the name that it was given; the issuer's own address is known only now. */
  async function deployOAuth() {
    const parts = new AsyncDisposableStack();
    const issuer = parts.use(await Issuer.listen());
    const synthesis = await synthesize({
      oauthIssuer: "https://issuer.example",
      oauthAudience: `https://${DOMAIN}/mcp`,
      domainName: DOMAIN,
      certificateArn: "arn:aws:acm:eu-central-1:123456789012:certificate/0b8cf0c2-0000-4000-8000-000000000000",
    });
    const functions = functionsOf(synthesis.folder, synthesis.template("LambdaStack"));
    const environment = { STATEFUL_MCP_OAUTH_ISSUER: issuer.url };
    const server = parts.use(await start(functions.get(SERVER), environment));
    const authorizer = parts.use(await start(functions.get(OAUTH_AUTHORIZER), environment));
    const challenge = challengeOf(synthesis.template("LambdaStack"));
    const door = parts.use(await FrontDoor.listen({ server, authorizer, open: OPEN, challenge, domainName: DOMAIN }));
    const asked: string[] = [];
    /** What DNS and TLS would do: the server's name leads to its front door. */
    const reach = (input: string | URL, init?: RequestInit) => {
      const url = new URL(input);
      asked.push(url.href);
      return fetch(url.host === DOMAIN ? new URL(url.pathname + url.search, door.url) : url, init);
    };
    return { issuer, server, reach, asked, [Symbol.asyncDispose]: () => parts.disposeAsync() };
  }

  it("an official client finds the issuer through the challenge, gets a token, and calls a tool", async () => {
    await using deployed = await deployOAuth();
    const { issuer, reach, asked } = deployed;
    const client = new Client({ name: "lambda-test", version: "1" });
    const authProvider = new ClientCredentialsProvider({ ...issuer.client, expectedIssuer: issuer.url });
    const transport = new StreamableHTTPClientTransport(new URL(`https://${DOMAIN}/mcp`), {
      authProvider,
      fetch: reach,
    });
    await client.connect(transport);
    const note = { note: "through the challenge", session_id: "oauth" };
    expect(await result(client.callTool({ name: "add_note", arguments: note }))).toMatchObject({ count: 1 });
    await client.close();
    expect(asked).toContain(`${issuer.url}/token`);
  });

  it.each(["none", "of another issuer", "for another server"])(
    "a token %s is answered with the challenge, and the server's function does not run",
    async (kind) => {
      await using deployed = await deployOAuth();
      const { issuer, server, reach } = deployed;
      await using other = await Issuer.listen();
      const token = {
        none: undefined,
        "of another issuer": other.token(`https://${DOMAIN}/mcp`, "read write"),
        "for another server": issuer.token("https://other.example/mcp", "read write"),
      }[kind];
      const refused = await reach(`https://${DOMAIN}/mcp`, {
        method: "POST",
        headers: { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) },
        body: "{}",
      });
      expect(refused.status).toBe(401);
      const [, metadata] = /resource_metadata="([^"]+)"/.exec(refused.headers.get("www-authenticate") ?? "") ?? [];
      expect(metadata).toBe(`https://${DOMAIN}/.well-known/oauth-protected-resource/mcp`);
      expect(server.log).toBe("");
      const document = await (await reach(metadata!)).json();
      expect(document).toMatchObject({ resource: `https://${DOMAIN}/mcp`, authorization_servers: [issuer.url] });
    },
  );
});
