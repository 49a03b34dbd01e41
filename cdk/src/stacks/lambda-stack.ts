// The server on Lambda.
import { Stack } from "aws-cdk-lib";
import type { Construct } from "constructs";
import { keyFor } from "../encryption.ts";
import { namedItemTables } from "../item-tables.ts";
import { LambdaMcpServer } from "../lambda-server.ts";
import type { LambdaMcpServerProps } from "../lambda-server-props.ts";
import { vpcFor } from "../network.ts";
import { certificateOf, finish, hostedZoneOf, type ServerStackProps, stateOf } from "./server-stack.ts";

/** The properties of `LambdaMcpServer`, and of the stack around it. */
export interface LambdaStackProps
  extends ServerStackProps,
    Omit<LambdaMcpServerProps, "state" | "certificate" | "hostedZone"> {}

/** The server on Lambda with its dashboard and alarms. Outputs `Url`, `TokenCommand` and what operating needs. */
export class LambdaStack extends Stack {
  readonly server: LambdaMcpServer;

  constructor(scope: Construct, id: string, props: LambdaStackProps) {
    super(scope, id, { description: "MCP server on Lambda", ...props });
    const key = keyFor(this, props);
    const state = stateOf(this, props, key);
    const items = namedItemTables(this, props.itemTables);
    // Settings may be about FargateStack alone: public subnets, or isolated ones of a network that it makes.
    const { vpc } = props.vpcId !== undefined && !props.subnetIds ? {} : vpcFor(this, props);
    this.server = new LambdaMcpServer(this, "Server", {
      ...props,
      environment: { ...items.environment, ...props.environment },
      ...key,
      ...(vpc ? { vpc } : { isolated: false }),
      state,
      certificate: certificateOf(this, props),
      ...hostedZoneOf(this, props),
    });
    items.grant(this.server);
    finish(this, this.server, state, props);
  }
}
