import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { App } from "aws-cdk-lib";
import { Match, Template } from "aws-cdk-lib/assertions";
import { expect, it } from "vitest";
import { OwnAppStack } from "./own-app-stack.ts";

it("deploys the app to both targets, each allowed to list buckets besides using the table", {
  timeout: 120_000,
}, () => {
  const app = new App();
  const template = Template.fromStack(new OwnAppStack(app, "OwnAppStack"));
  template.resourceCountIs("AWS::DynamoDB::GlobalTable", 1);
  template.resourceCountIs("AWS::ECS::Service", 1);
  const policies = template.findResources("AWS::IAM::Policy", {
    Properties: {
      PolicyDocument: {
        Statement: Match.arrayWith([
          Match.objectLike({ Action: "s3:ListAllMyBuckets", Effect: "Allow", Resource: "*" }),
        ]),
      },
    },
  });
  expect(Object.keys(policies)).toHaveLength(2);
  const { directory } = app.synth();
  const bundles = globSync("asset.*/index.mjs", { cwd: directory }).filter((path) =>
    readFileSync(join(directory, path), "utf8").includes("count_s3_buckets"),
  );
  expect(bundles).toHaveLength(1);
});
