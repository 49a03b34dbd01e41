// The server on Fargate.
import { CfnOutput, Stack } from "aws-cdk-lib";
import type { Construct } from "constructs";
import { keyFor } from "../encryption.ts";
import { FargateMcpServer } from "../fargate-server.ts";
import type { FargateMcpServerProps } from "../fargate-server-props.ts";
import { namedItemTables } from "../item-tables.ts";
import { vpcFor } from "../network.ts";
import { certificateOf, finish, hostedZoneOf, type ServerStackProps, stateOf } from "./server-stack.ts";

/** The properties of `FargateMcpServer`, and of the stack around it. */
export interface FargateStackProps
  extends ServerStackProps,
    Omit<FargateMcpServerProps, "state" | "certificate" | "hostedZone"> {}

/** The server on Fargate with its dashboard and alarms. Outputs `Url`, `TokenCommand`, `RestartCommand` and what operating needs. */
export class FargateStack extends Stack {
  readonly server: FargateMcpServer;

  constructor(scope: Construct, id: string, props: FargateStackProps) {
    super(scope, id, { description: "MCP server on Fargate", ...props });
    const key = keyFor(this, props);
    const state = stateOf(this, props, key);
    const items = namedItemTables(this, props.itemTables);
    this.server = new FargateMcpServer(this, "Server", {
      ...props,
      environment: { ...items.environment, ...props.environment },
      ...key,
      ...vpcFor(this, props),
      state,
      certificate: certificateOf(this, props),
      ...hostedZoneOf(this, props),
    });
    items.grant(this.server);
    finish(this, this.server, state, props);
    const { cluster, serviceName } = this.server.service;
    new CfnOutput(this, "RestartCommand", {
      description: "Replaces the tasks one by one, so that they read the token again",
      value: `aws ecs update-service --region ${this.region} --cluster ${cluster.clusterName} --service ${serviceName} --force-new-deployment`,
    });
  }
}
