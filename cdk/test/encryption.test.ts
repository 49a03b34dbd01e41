import { App, PermissionsBoundary, Stack, Tags, Validations } from "aws-cdk-lib";
import { Match, Template } from "aws-cdk-lib/assertions";
import { Key } from "aws-cdk-lib/aws-kms";
import { AwsSolutionsChecks } from "cdk-nag";
import { beforeAll, describe, expect, it } from "vitest";
import { FargateStack, LambdaStack, StateStack } from "../src/index.ts";

const made = {} as Record<"keys" | "state" | "lambda" | "fargate", Template>;

/** All stacks with one key, which is in a stack of its own; a synthesis with a finding of cdk-nag throws. */
beforeAll(() => {
  const app = new App({ context: { "@aws-cdk/core:enablePartitionLiterals": true } });
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  const keys = new Stack(app, "Keys");
  const encryptionKey = new Key(keys, "Key", { enableKeyRotation: true });
  const permissionsBoundary = PermissionsBoundary.fromName("developers");
  const state = new StateStack(app, "State", { blobs: true, encryptionKey, permissionsBoundary });
  const props = { state: state.state, encryptionKey, permissionsBoundary, gatewayLogRole: false };
  const lambda = new LambdaStack(app, "Lambda", props);
  const fargate = new FargateStack(app, "Fargate", props);
  Tags.of(app).add("cost-center", "4711");
  app.synth();
  made.keys = Template.fromStack(keys);
  made.state = Template.fromStack(state);
  made.lambda = Template.fromStack(lambda);
  made.fargate = Template.fromStack(fargate);
}, 120_000);

const KEY = { "Fn::ImportValue": Match.stringLikeRegexp("^Keys:ExportsOutput.*Key.*Arn") };
const servers = ["lambda", "fargate"] as const;

describe("one key of the customer's own", () => {
  it("encrypts the table and the bucket", () => {
    made.state.hasResourceProperties("AWS::DynamoDB::GlobalTable", {
      SSESpecification: { SSEEnabled: true, SSEType: "KMS" },
      Replicas: [Match.objectLike({ SSESpecification: { KMSMasterKeyId: KEY } })],
    });
    made.state.hasResourceProperties("AWS::S3::Bucket", {
      BucketEncryption: {
        ServerSideEncryptionConfiguration: [
          {
            BucketKeyEnabled: true,
            ServerSideEncryptionByDefault: { KMSMasterKeyID: KEY, SSEAlgorithm: "aws:kms" },
          },
        ],
      },
    });
  });

  it.each(servers)("encrypts the secret and every log group of the stack for %s", (server) => {
    made[server].allResourcesProperties("AWS::SecretsManager::Secret", { KmsKeyId: KEY });
    made[server].allResourcesProperties("AWS::Logs::LogGroup", { KmsKeyId: KEY });
  });

  it.each(servers)("may be used by the server on %s, through what holds its state alone", (server) => {
    made[server].hasResourceProperties("AWS::IAM::Policy", {
      PolicyDocument: {
        Statement: Match.arrayWith([
          Match.objectLike({
            Action: Match.arrayWith(["kms:Decrypt", "kms:GenerateDataKey"]),
            Resource: KEY,
            Condition: {
              StringEquals: {
                "kms:ViaService": [
                  { "Fn::Join": ["", ["dynamodb.", { Ref: "AWS::Region" }, ".", { Ref: "AWS::URLSuffix" }]] },
                  { "Fn::Join": ["", ["s3.", { Ref: "AWS::Region" }, ".", { Ref: "AWS::URLSuffix" }]] },
                ],
              },
            },
          }),
        ]),
      },
    });
  });

  it("may be used by CloudWatch Logs for the log groups of this account, and names no stack that uses it", () => {
    made.keys.hasResourceProperties("AWS::KMS::Key", {
      KeyPolicy: {
        Statement: Match.arrayWith([
          Match.objectLike({
            Principal: { Service: { "Fn::Join": ["", ["logs.", { Ref: "AWS::Region" }, ".amazonaws.com"]] } },
            Condition: { ArnLike: { "kms:EncryptionContext:aws:logs:arn": Match.anyValue() } },
          }),
        ]),
      },
    });
    expect(JSON.stringify(made.keys.toJSON())).not.toMatch(/Lambda:Exports|Fargate:Exports|State:Exports/);
  });

  it.each(servers)("can be read with by what reads the secret on %s", (server) => {
    const decrypting = Object.values(made[server].findResources("AWS::IAM::Policy")).filter(({ Properties }) => {
      const text = JSON.stringify(Properties);
      return text.includes("secretsmanager:GetSecretValue") && text.includes("kms:Decrypt");
    });
    expect(decrypting).toHaveLength(1);
  });
});

describe("stacks in an account with rules", () => {
  it("put the permissions boundary on each role", () => {
    const roles = Object.values(made).flatMap((template) => Object.values(template.findResources("AWS::IAM::Role")));
    expect(roles.length).toBeGreaterThan(3);
    for (const { Properties } of roles) expect(JSON.stringify(Properties.PermissionsBoundary)).toContain("developers");
  });

  it("take the boundary from cdk.json", () => {
    const app = new App({ context: { "@aws-cdk/core:permissionsBoundary": { name: "developers" } } });
    const lambda = new LambdaStack(app, "Lambda", { state: { tableName: "table" } });
    Template.fromStack(lambda).allResourcesProperties("AWS::IAM::Role", { PermissionsBoundary: Match.anyValue() });
  });

  it("carry tags to the table, the functions and the service", () => {
    const tag = { Key: "cost-center", Value: "4711" };
    made.state.hasResourceProperties("AWS::DynamoDB::GlobalTable", {
      Replicas: [Match.objectLike({ Tags: Match.arrayWith([tag]) })],
    });
    made.lambda.allResourcesProperties("AWS::Lambda::Function", { Tags: Match.arrayWith([tag]) });
    made.fargate.allResourcesProperties("AWS::ECS::Service", { Tags: Match.arrayWith([tag]) });
  });
});

it("a key that another app has made is used, with a warning that Logs has to be allowed to", () => {
  const app = new App();
  const stack = new Stack(app, "Own");
  const encryptionKey = Key.fromKeyArn(stack, "Key", "arn:aws:kms:eu-central-1:123456789012:key/0b8cf0c2");
  const { state } = new StateStack(app, "State", { encryptionKey });
  const server = new LambdaStack(app, "Lambda", { state, encryptionKey });
  const warnings = server.server.node.metadata.map(({ data }) => String(data));
  expect(warnings.join()).toContain("has to let logs.<region>.amazonaws.com use the key");
});
