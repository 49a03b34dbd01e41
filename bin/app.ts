// The CDK app: which stacks exist. `cdk deploy LambdaStack` or `cdk deploy FargateStack`; the state's stack comes along.

import { App, Validations } from "aws-cdk-lib";
import { AwsSolutionsChecks } from "cdk-nag";
import { FargateStack, LambdaStack, readSettings, stateFor } from "../cdk/src/index.ts";

const app = new App();
// A finding that nobody has answered fails the synthesis.
Validations.of(app).addPlugins(new AwsSolutionsChecks(app));

const settings = readSettings(app.node);
const state = stateFor(app, "StateStack", settings);
new LambdaStack(app, "LambdaStack", { ...settings, state });
new FargateStack(app, "FargateStack", { ...settings, state });
app.synth();
