// What can be chosen about a server on Lambda. Makes nothing.
import type { ICertificate } from "aws-cdk-lib/aws-certificatemanager";
import type { IVpc } from "aws-cdk-lib/aws-ec2";
import type { Architecture } from "aws-cdk-lib/aws-lambda";
import type { RetentionDays } from "aws-cdk-lib/aws-logs";
import type { AccessProps } from "./access.ts";
import { requireWhole } from "./checks.ts";
import type { EncryptionProps } from "./encryption.ts";
import type { FrontDoorProps } from "./front-door.ts";
import type { NetworkProps } from "./network.ts";
import type { IStateTable } from "./state-table.ts";
import type { TracingProps } from "./tracing.ts";

/** What `LambdaMcpServer` runs, and for whom. */
export interface LambdaMcpServerProps extends AccessProps, EncryptionProps, FrontDoorProps, NetworkProps, TracingProps {
  /** Where its state is. */
  readonly state: IStateTable;
  /**
   * TypeScript or JavaScript file that exports `app`, made by `createApp` from `@stateful-mcp/core`.
   * @default the ready server
   */
  readonly entry?: string;
  /**
   * More environment variables for the function. Not for secrets: everybody who may look at the function reads them.
   * @default none
   */
  readonly environment?: Readonly<Record<string, string>>;
  /**
   * Memory of the function in MiB, 128 to 10,240; its share of a processor grows with it.
   * @default 1024
   */
  readonly memoryMiB?: number;
  /**
   * A network for the server's function and the worker of its tasks, in its private subnets, or with `isolated` in its isolated ones. The API
   * and the authorizer stay outside.
   * @default none: functions reach AWS and the internet by themselves
   */
  readonly vpc?: IVpc;
  /**
   * Processor of both functions.
   * @default arm64, a fifth cheaper
   */
  readonly architecture?: Architecture;
  /**
   * Environments that the server's function keeps from the account's concurrency for itself, and never runs more of: a bound on what it
   * can cost, 1 to 100,000. Each held stream takes one.
   * @default none: it takes what the account has left
   */
  readonly reservedConcurrency?: number;
  /**
   * Environments that are always started, so that calls up to as many meet no cold start, 1 to `reservedConcurrency` or 100,000; AWS bills
   * them by the hour. The API then calls the alias `live` of the function's newest version.
   * @default none
   */
  readonly provisionedConcurrency?: number;
  /**
   * How long one request may last at most, in seconds, 30 to 900: calls and streams end some seconds before. AWS does not tell a function
   * that a client has gone, so this is also what a stream costs whose client is no longer there.
   * @default 900, the longest that AWS allows
   */
  readonly longestRequestSeconds?: number;
  /**
   * Requests per second that the API accepts in the long run; more are answered with 429.
   * @default 100
   */
  readonly requestsPerSecond?: number;
  /**
   * Requests that the API accepts at once before `requestsPerSecond` counts.
   * @default twice `requestsPerSecond`
   */
  readonly requestBurst?: number;
  /**
   * Whether calls of tools defined with `task` become tasks, which a worker runs behind a queue, each for up to 15 minutes at a stretch.
   * @default false: they are ordinary calls
   */
  readonly tasks?: boolean;
  /**
   * Tasks that run at the same time, 2 to 1,000; more wait in the queue. Only with `tasks`.
   * @default 10
   */
  readonly taskConcurrency?: number;
  /**
   * Name under which clients reach the server, at its root; its DNS record is made in `hostedZone`, or yours to make. Needs
   * `certificate`.
   * OAuth needs it, because discovery starts at the root of a name.
   * @default API Gateway's own name and path
   */
  readonly domainName?: string;
  /**
   * Certificate for `domainName`, in the stack's region.
   * @default none
   */
  readonly certificate?: ICertificate;
  /**
   * How long logs are kept.
   * @default one month
   */
  readonly logRetention?: RetentionDays;
  /**
   * Makes the role with which API Gateway writes access logs. An account has one such role per region, and this one replaces it;
   * false where another stack has set it up.
   * @default true
   */
  readonly gatewayLogRole?: boolean;
}

type Bounds = Required<
  Pick<LambdaMcpServerProps, "memoryMiB" | "longestRequestSeconds" | "requestsPerSecond" | "requestBurst">
>;

/** @throws TypeError for numbers out of bounds. */
export function requireBounds({
  memoryMiB = 1024,
  longestRequestSeconds = 900,
  requestsPerSecond = 100,
  requestBurst = 2 * requestsPerSecond,
  reservedConcurrency,
  provisionedConcurrency,
  tasks,
  taskConcurrency,
  vpc,
  isolated,
  endpoints,
}: LambdaMcpServerProps): Bounds {
  requireWhole("memoryMiB", memoryMiB, 128, 10_240);
  requireWhole("longestRequestSeconds", longestRequestSeconds, 30, 900);
  requireWhole("requestsPerSecond", requestsPerSecond, 1, 10_000);
  requireWhole("requestBurst", requestBurst, requestsPerSecond, 20_000);
  if (reservedConcurrency !== undefined) requireWhole("reservedConcurrency", reservedConcurrency, 1, MOST_CONCURRENT);
  if (provisionedConcurrency !== undefined)
    requireWhole("provisionedConcurrency", provisionedConcurrency, 1, reservedConcurrency ?? MOST_CONCURRENT);
  if (!vpc && (isolated || endpoints))
    throw new TypeError("isolated and endpoints are about a network, which is missing; give vpc as well");
  if (taskConcurrency !== undefined && !tasks)
    throw new TypeError("taskConcurrency is given without tasks; give tasks: true as well");
  return { memoryMiB, longestRequestSeconds, requestsPerSecond, requestBurst };
}

/** Far above what accounts have; it catches a slip of the hand. */
const MOST_CONCURRENT = 100_000;
