// The ready server on Fargate.
import { Stack } from "aws-cdk-lib";
import { Certificate } from "aws-cdk-lib/aws-certificatemanager";
import type { Construct } from "constructs";
import { FargateMcpServer, type FargateMcpServerProps } from "../fargate-server.ts";
import { finish, type ServerStackProps, stateOf } from "./server-stack.ts";

export interface FargateStackProps extends ServerStackProps, Omit<FargateMcpServerProps, "state" | "certificate"> {
  /**
   * Certificate for HTTPS, in the stack's region.
   * @default HTTP, with a warning
   */
  readonly certificateArn?: string;
}

export class FargateStack extends Stack {
  readonly server: FargateMcpServer;

  constructor(scope: Construct, id: string, props: FargateStackProps) {
    super(scope, id, { description: "MCP server on Fargate", ...props });
    const { certificateArn } = props;
    const certificate = certificateArn && Certificate.fromCertificateArn(this, "Certificate", certificateArn);
    const state = stateOf(this, props);
    this.server = new FargateMcpServer(this, "Server", { ...props, state, ...(certificate && { certificate }) });
    finish(this, this.server, state, props);
  }
}
