// The server on Fargate.
import { Stack } from "aws-cdk-lib";
import type { Construct } from "constructs";
import { FargateMcpServer, type FargateMcpServerProps } from "../fargate-server.ts";
import { certificateOf, finish, type ServerStackProps, stateOf } from "./server-stack.ts";

export interface FargateStackProps extends ServerStackProps, Omit<FargateMcpServerProps, "state" | "certificate"> {}

export class FargateStack extends Stack {
  readonly server: FargateMcpServer;

  constructor(scope: Construct, id: string, props: FargateStackProps) {
    super(scope, id, { description: "MCP server on Fargate", ...props });
    const state = stateOf(this, props);
    this.server = new FargateMcpServer(this, "Server", { ...props, state, certificate: certificateOf(this, props) });
    finish(this, this.server, state, props);
  }
}
