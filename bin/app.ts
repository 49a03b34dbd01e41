// The CDK app: which stacks exist. `cdk deploy LambdaStack` or `cdk deploy FargateStack`; the state's stack comes along. With
// `-c name=prod` they are `prod-LambdaStack` and so on, and share nothing with those of another name.

import { App, Validations } from "aws-cdk-lib";
import { AwsSolutionsChecks } from "cdk-nag";
import { FargateStack, LambdaStack, readSettings, stackId, stateFor } from "../cdk/src/index.ts";

const app = new App();
// A finding without an answer fails the synthesis.
Validations.of(app).addPlugins(new AwsSolutionsChecks(app));

const settings = readSettings(app.node);
const state = stateFor(app, stackId(settings, "StateStack"), settings);
new LambdaStack(app, stackId(settings, "LambdaStack"), { ...settings, state });
new FargateStack(app, stackId(settings, "FargateStack"), { ...settings, state });
app.synth();
