// The CDK app: `npx cdk deploy --app "tsx src/main.ts"`.
import { App } from "aws-cdk-lib";
import { OwnAppStack } from "./own-app-stack.ts";

new OwnAppStack(new App(), "OwnAppStack");
