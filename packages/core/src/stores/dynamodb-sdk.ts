// The AWS SDK's client, for what is rare or the user's own: table management and the item tools. Loaded only by them.
import { type AgentOptions, Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import {
  BatchGetItemCommand,
  BatchWriteItemCommand,
  CreateTableCommand,
  DeleteItemCommand,
  DeleteTableCommand,
  DescribeTableCommand,
  DescribeTimeToLiveCommand,
  DynamoDBClient,
  type DynamoDBClientConfig,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  ScanCommand,
  UpdateItemCommand,
  UpdateTimeToLiveCommand,
} from "@aws-sdk/client-dynamodb";
import { CREDENTIALS_TIMEOUT_MS, within } from "./dynamodb-credentials.ts";
import type { Input, OperationName, Output } from "./dynamodb-request-types.ts";
import type { Client } from "./dynamodb-send.ts";
import { type ClientOptions, CONNECT_TIMEOUT_MS, MAX_SOCKETS, withDefaults } from "./dynamodb-state-client.ts";

type Attempt<N extends OperationName> = (
  client: DynamoDBClient,
  input: Input<N>,
  options: { abortSignal: AbortSignal },
) => Promise<Output<N>>;

const ATTEMPTS: { [N in OperationName]: Attempt<N> } = {
  BatchGetItem: (client, input, options) => client.send(new BatchGetItemCommand(input), options),
  BatchWriteItem: (client, input, options) => client.send(new BatchWriteItemCommand(input), options),
  GetItem: (client, input, options) => client.send(new GetItemCommand(input), options),
  PutItem: (client, input, options) => client.send(new PutItemCommand(input), options),
  UpdateItem: (client, input, options) => client.send(new UpdateItemCommand(input), options),
  DeleteItem: (client, input, options) => client.send(new DeleteItemCommand(input), options),
  Query: (client, input, options) => client.send(new QueryCommand(input), options),
  Scan: (client, input, options) => client.send(new ScanCommand(input), options),
  CreateTable: (client, input, options) => client.send(new CreateTableCommand(input), options),
  DeleteTable: (client, input, options) => client.send(new DeleteTableCommand(input), options),
  DescribeTable: (client, input, options) => client.send(new DescribeTableCommand(input), options),
  DescribeTimeToLive: (client, input, options) => client.send(new DescribeTimeToLiveCommand(input), options),
  UpdateTimeToLive: (client, input, options) => client.send(new UpdateTimeToLiveCommand(input), options),
};

/** The AWS SDK's client, for `send` too. It never retries by itself; `send` does. */
class RequestingClient extends DynamoDBClient {
  readonly telemetry: ClientOptions["telemetry"];
  readonly #credentialsTimeoutMs: number;

  constructor(
    config: DynamoDBClientConfig,
    { credentialsTimeoutMs = CREDENTIALS_TIMEOUT_MS, telemetry }: ClientOptions,
  ) {
    super(config);
    this.telemetry = telemetry;
    this.#credentialsTimeoutMs = credentialsTimeoutMs;
    // It copies every request and answer to hide secrets from a log that does not exist: a fifth of the time of a long page.
    this.middlewareStack.remove("loggerMiddleware");
  }

  ready(): Promise<unknown> {
    return within(this.#credentialsTimeoutMs, this.config.credentials());
  }

  async request<N extends OperationName>(name: N, input: Input<N>, timeoutMs: number): Promise<Output<N>> {
    // The handler's own time-outs end when the reply's head arrives; this one also covers the reply's body.
    const controller = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(Object.assign(new Error("The request took too long."), { name: "TimeoutError" }));
        controller.abort();
      }, timeoutMs);
    });
    try {
      return await Promise.race([ATTEMPTS[name](this, input, { abortSignal: controller.signal }), timeout]);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** The AWS SDK's client, which the functions of this package that ask for one take too. */
export type SdkClient = DynamoDBClient & Client;

/** One per process: it holds the connections. For table management and the item tools; state has `createStateClient`. */
export function createDynamoDBClient(given: ClientOptions = {}): SdkClient {
  const { socketPath, agent, endpoint, region, credentials } = withDefaults(given);
  const agentOptions: AgentOptions = { keepAlive: true, maxSockets: MAX_SOCKETS };
  const socketOptions: AgentOptions & { socketPath?: string } = socketPath === undefined ? {} : { socketPath };
  const config: DynamoDBClientConfig = {
    ...(endpoint !== undefined && { endpoint }),
    ...(region !== undefined && { region }),
    ...(credentials !== undefined && { credentials }),
    maxAttempts: 1,
    requestHandler: {
      connectionTimeout: CONNECT_TIMEOUT_MS,
      httpAgent: agent ?? new HttpAgent({ ...agentOptions, ...socketOptions }),
      httpsAgent: new HttpsAgent(agentOptions),
    },
  };
  return new RequestingClient(config, given);
}
