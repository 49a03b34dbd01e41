// A Lambda function with a log group and a role of its own, as every function of a server is made. Knows not what it does.
import { type Duration, RemovalPolicy } from "aws-cdk-lib";
import { PolicyStatement, Role, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import type { IKey } from "aws-cdk-lib/aws-kms";
import {
  type Architecture,
  type Code,
  Function as LambdaFunction,
  type RecursiveLoop,
  Runtime,
  Tracing,
} from "aws-cdk-lib/aws-lambda";
import { LogGroup, type RetentionDays } from "aws-cdk-lib/aws-logs";
import type { Construct } from "constructs";
import { acknowledge } from "./checks.ts";
import type { Place } from "./network.ts";
import { grantSpans } from "./tracing.ts";

/** What all functions of one server have in common. */
export interface FunctionBasis {
  readonly architecture: Architecture;
  readonly logRetention: RetentionDays;
  readonly encryptionKey?: IKey;
}

interface ServerFunction extends FunctionBasis {
  readonly code: Code;
  readonly description: string;
  readonly memoryMiB: number;
  readonly timeout: Duration;
  readonly reservedConcurrency?: number;
  readonly recursiveLoop?: RecursiveLoop;
  readonly environment: Readonly<Record<string, string>>;
  /** Whether it sends spans, and Lambda a segment for each invocation. */
  readonly traced?: boolean;
  /** Undefined: in no network. */
  readonly place?: Place;
}

/** https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html */
const IN_A_NETWORK = [
  "ec2:AssignPrivateIpAddresses",
  "ec2:CreateNetworkInterface",
  "ec2:DeleteNetworkInterface",
  "ec2:DescribeNetworkInterfaces",
  "ec2:DescribeSubnets",
  "ec2:UnassignPrivateIpAddresses",
];

export function serverFunction(scope: Construct, id: string, props: ServerFunction): LambdaFunction {
  const { description, code, architecture, timeout, reservedConcurrency, recursiveLoop, place, traced } = props;
  const logs = logGroup(scope, `${id}Log`, props);
  // The role that CDK would make may write to every log group of the account.
  const role = new Role(scope, `${id}Role`, { assumedBy: new ServicePrincipal("lambda.amazonaws.com") });
  logs.grantWrite(role);
  if (place) {
    role.addToPolicy(new PolicyStatement({ actions: IN_A_NETWORK, resources: ["*"] }));
    acknowledge(role, {
      "IAM5[Resource::*]": "Lambda demands these for every network, and the interfaces have no names yet.",
    });
  }
  const made = new LambdaFunction(scope, id, {
    description,
    code,
    handler: "index.handler",
    runtime: Runtime.NODEJS_24_X,
    architecture,
    memorySize: props.memoryMiB,
    timeout,
    ...(reservedConcurrency !== undefined && { reservedConcurrentExecutions: reservedConcurrency }),
    ...(recursiveLoop !== undefined && { recursiveLoop }),
    ...(traced && { tracing: Tracing.ACTIVE }),
    role,
    ...(place && {
      vpc: place.vpc,
      vpcSubnets: { subnets: [...place.subnets] },
      securityGroups: [place.securityGroup],
    }),
    logGroup: logs,
    environment: { ENVIRONMENT: "production", ...props.environment },
  });
  if (traced) grantSpans(role);
  return made;
}

export const logGroup = (scope: Construct, id: string, { logRetention, encryptionKey }: FunctionBasis): LogGroup =>
  new LogGroup(scope, id, {
    retention: logRetention,
    removalPolicy: RemovalPolicy.DESTROY,
    ...(encryptionKey && { encryptionKey }),
  });
