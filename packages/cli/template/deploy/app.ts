// What runs on AWS: `npx cdk deploy my-server-lambda` or `npx cdk deploy my-server-fargate`; the state's stack comes along.
import { fileURLToPath } from "node:url";
import { FargateStack, LambdaStack, readSettings, stackId, stateFor } from "@stateful-mcp/cdk";
import { App } from "aws-cdk-lib";
import { Platform } from "aws-cdk-lib/aws-ecr-assets";
import { ContainerImage } from "aws-cdk-lib/aws-ecs";

const project = fileURLToPath(new URL("..", import.meta.url));
const app = new App();
const settings = readSettings(app.node);
const state = stateFor(app, stackId(settings, "my-server-state"), settings);

new LambdaStack(app, stackId(settings, "my-server-lambda"), { ...settings, state, entry: `${project}src/app.ts` });

const image = ContainerImage.fromAsset(project, {
  file: "deploy/Dockerfile",
  platform: Platform.LINUX_AMD64,
  exclude: ["deploy/*", "!deploy/Dockerfile", "node_modules", ".env", ".git"],
});
new FargateStack(app, stackId(settings, "my-server-fargate"), { ...settings, state, image });
