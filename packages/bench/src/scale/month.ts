// What a month costs on Lambda and on Fargate, and which quota of an account comes first. Arithmetic alone: prices and quotas are those
// that AWS listed for us-east-1 when this was written, from memory, and nothing checks them again.
import type { Units } from "./heat.ts";

export const PRICES_OF = "November 2026";

/** US dollars. */
const PRICE = {
  apiRequest: 3.5e-6,
  /** Beyond the first 333 million a month. */
  apiRequestMore: 2.8e-6,
  lambdaRequest: 0.2e-6,
  lambdaGibSecondArm: 0.0000133334,
  read: 0.125e-6,
  write: 0.625e-6,
  logGb: 0.5,
  tableGbMonth: 0.25,
  recoveryGbMonth: 0.2,
  outGb: 0.09,
  vcpuHour: 0.04048,
  gbHour: 0.004445,
  balancerHour: 0.0225,
  balancerUnitHour: 0.008,
  addressHour: 0.005,
} as const;

const HOURS = 730;
const SECONDS = HOURS * 3_600;
const API_FIRST = 333e6;
const LOG_BYTES = 800;
const ANSWER_BYTES = 2_000;
const KEPT_BYTES_PER_USER = 20_000;
/** Secret, alarms, metrics and dashboard, as docs/deploy.md counts them. */
const FIXED = { lambda: 4.7, fargate: 5.2 };
const LAMBDA_SECONDS = { server: 0.05, serverGib: 1, authorizer: 0.01, authorizerGib: 0.5 };
/** The default `requestsPerTaskPerMinute` of FargateMcpServer, of a task with a quarter of a processor and 0.5 GB. */
const CALLS_PER_TASK_SECOND = 3_000 / 60;
/** The busiest second of a month over the mean one. */
const PEAK = 4;

export interface Month {
  readonly users: number;
  readonly callsPerUser: number;
}

export interface Bill {
  readonly meanPerSecond: number;
  readonly peakPerSecond: number;
  readonly lambda: number;
  readonly fargate: number;
  readonly tasks: number;
}

/** `units` are those of one call on the average. */
export function bill({ users, callsPerUser }: Month, units: Units): Bill {
  const calls = users * callsPerUser;
  const meanPerSecond = calls / SECONDS;
  const tasks = Math.max(2, Math.ceil(meanPerSecond / CALLS_PER_TASK_SECOND));
  const both =
    calls * (units.reads * PRICE.read + units.writes * PRICE.write) +
    ((calls * LOG_BYTES) / 1e9) * PRICE.logGb +
    ((calls * ANSWER_BYTES) / 1e9) * PRICE.outGb +
    ((users * KEPT_BYTES_PER_USER) / 1e9) * (PRICE.tableGbMonth + PRICE.recoveryGbMonth);
  const { server, serverGib, authorizer, authorizerGib } = LAMBDA_SECONDS;
  const lambda =
    FIXED.lambda +
    both +
    Math.min(calls, API_FIRST) * PRICE.apiRequest +
    Math.max(0, calls - API_FIRST) * PRICE.apiRequestMore +
    calls * (2 * PRICE.lambdaRequest + (server * serverGib + authorizer * authorizerGib) * PRICE.lambdaGibSecondArm);
  // One unit of a load balancer takes 25 new connections a second; clients are taken to make one for each call.
  const balancer = HOURS * (PRICE.balancerHour + (meanPerSecond / 25) * PRICE.balancerUnitHour);
  const fargate =
    FIXED.fargate +
    both +
    balancer +
    HOURS * (tasks * (0.25 * PRICE.vcpuHour + 0.5 * PRICE.gbHour) + (tasks + 2) * PRICE.addressHour);
  return { meanPerSecond, peakPerSecond: meanPerSecond * PEAK, lambda, fargate, tasks };
}

interface Quota {
  readonly what: string;
  readonly value: string;
  /** Calls a second of the fleet at which it is reached. */
  callsPerSecond(units: Units): number;
}

/** The bounds of the stacks as they come, and the quotas of an account as it comes. */
export const QUOTAS: readonly Quota[] = [
  {
    what: "LambdaStack: `requestsPerSecond`",
    value: "100 a second, our own default",
    callsPerSecond: () => 100,
  },
  {
    what: "FargateStack: `maxTasks`",
    value: "10 tasks, our own default",
    callsPerSecond: () => 10 * CALLS_PER_TASK_SECOND,
  },
  {
    what: "Fargate: vCPUs of a new account",
    value: "6, raised on request",
    callsPerSecond: () => (6 / 0.25) * CALLS_PER_TASK_SECOND,
  },
  {
    what: "DynamoDB: writes of a new on-demand table",
    value: "4,000 units a second, doubled as use grows",
    callsPerSecond: ({ writes }) => 4_000 / writes,
  },
  {
    what: "API Gateway: requests of an account and region",
    value: "10,000 a second",
    callsPerSecond: () => 10_000,
  },
  {
    what: "Lambda: concurrency of an account",
    value: "1,000 (a new account may have 10); each held stream takes one",
    callsPerSecond: () => 1_000 / (LAMBDA_SECONDS.server + LAMBDA_SECONDS.authorizer),
  },
  {
    what: "DynamoDB: writes of a table",
    value: "40,000 units a second, raised on request",
    callsPerSecond: ({ writes }) => 40_000 / writes,
  },
];

/** Quotas in the order in which a growing fleet meets them, with the users of a month that it then has. */
export const quotasMet = (units: Units, callsPerUser: number) =>
  QUOTAS.map(({ what, value, callsPerSecond }) => {
    const rate = callsPerSecond(units);
    return { what, value, rate, users: (rate / PEAK) * (SECONDS / callsPerUser) };
  }).sort((one, other) => one.rate - other.rate);
