// One's own app on both targets and one state table: the entry and the image are one's own, the rest is the constructs'.
import { fileURLToPath } from "node:url";
import { FargateMcpServer, LambdaMcpServer, StateTable } from "@stateful-mcp/cdk";
import { Stack, type StackProps } from "aws-cdk-lib";
import { ContainerImage } from "aws-cdk-lib/aws-ecs";
import { Grant } from "aws-cdk-lib/aws-iam";
import type { Construct } from "constructs";

/** The folder that holds everything the image needs: here, the workspace. */
const ROOT = fileURLToPath(new URL("../../..", import.meta.url));

export class OwnAppStack extends Stack {
  constructor(scope: Construct, id: string, props?: StackProps) {
    super(scope, id, props);
    const state = new StateTable(this, "State");
    const entry = fileURLToPath(import.meta.resolve("@stateful-mcp/example-count-s3-buckets"));
    const image = ContainerImage.fromAsset(ROOT, {
      file: "examples/own-app-on-aws/Dockerfile",
      exclude: ["**/node_modules", "**/dist", "cdk.out", ".git"],
    });
    const servers = [
      new LambdaMcpServer(this, "Function", { state, entry }),
      new FargateMcpServer(this, "Service", { state, image }),
    ];
    // What count_s3_buckets needs besides the table. AWS lets this action name no resource.
    for (const grantee of servers)
      Grant.addToPrincipal({ grantee, actions: ["s3:ListAllMyBuckets"], resourceArns: ["*"] });
  }
}
