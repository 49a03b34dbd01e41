import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { App, Stack } from "aws-cdk-lib";
import { Match, Template } from "aws-cdk-lib/assertions";
import { Vpc } from "aws-cdk-lib/aws-ec2";
import { ContainerImage, CpuArchitecture } from "aws-cdk-lib/aws-ecs";
import { Architecture } from "aws-cdk-lib/aws-lambda";
import { Bucket } from "aws-cdk-lib/aws-s3";
import { expect, it } from "vitest";
import { FargateMcpServer, LambdaMcpServer, ServerMonitoring, StateTable } from "../src/index.ts";

const OWN_APP = fileURLToPath(new URL("own-app.mjs", import.meta.url));

it("LambdaMcpServer serves the app that an entry of one's own exports, with more rights where they are granted", () => {
  const app = new App();
  const stack = new Stack(app, "Own");
  const state = new StateTable(stack, "State");
  const server = new LambdaMcpServer(stack, "Server", { state, entry: OWN_APP, environment: { LOG_LEVEL: "debug" } });
  const pictures = new Bucket(stack, "Pictures");
  pictures.grantRead(server);
  new ServerMonitoring(stack, "Monitoring", { server, state });

  const { directory } = app.synth();
  const bundles = globSync("asset.*/index.mjs", { cwd: directory }).map((file) =>
    readFileSync(`${directory}/${file}`, "utf8"),
  );
  expect(bundles.filter((code) => code.includes("greetings-of-my-own"))).toHaveLength(1);
  const template = Template.fromStack(stack);
  template.hasResourceProperties("AWS::Lambda::Function", {
    Description: "MCP server",
    Environment: { Variables: Match.objectLike({ LOG_LEVEL: "debug", MCP_STATE_BACKEND: "dynamodb" }) },
  });
  expect(JSON.stringify(template.findResources("AWS::IAM::Policy"))).toContain("s3:GetObject*");
});

it("two servers of one account have APIs, and so alarms, of different names", () => {
  const stack = new Stack(new App(), "Own");
  const state = StateTable.fromNames(stack, "State", { tableName: "table" });
  for (const id of ["One", "Two"]) {
    const server = new LambdaMcpServer(stack, id, { state, gatewayLogRole: false });
    new ServerMonitoring(stack, `${id}Monitoring`, { server, state });
  }
  const template = Template.fromStack(stack);
  const names = Object.values(template.findResources("AWS::ApiGateway::RestApi")).map(
    ({ Properties }) => Properties.Name,
  );
  expect(new Set(names).size).toBe(2);
  const watched = Object.values(template.findResources("AWS::CloudWatch::Alarm")).flatMap(({ Properties }) =>
    (Properties.Dimensions ?? []).filter(({ Name }: { Name: string }) => Name === "ApiName"),
  );
  expect(watched.map(({ Value }) => Value).sort()).toEqual(names.toSorted());
});

it("FargateMcpServer runs an image of one's own in a network of one's own, in its private subnets", () => {
  const stack = new Stack(new App(), "Own");
  new FargateMcpServer(stack, "Server", {
    state: StateTable.fromNames(stack, "State", { tableName: "table" }),
    image: ContainerImage.fromRegistry("example.com/tools:1"),
    vpc: new Vpc(stack, "Vpc", { maxAzs: 2, natGateways: 1 }),
    minTasks: 1,
  });
  const template = Template.fromStack(stack);
  template.hasResourceProperties("AWS::ECS::TaskDefinition", {
    ContainerDefinitions: [Match.objectLike({ Image: "example.com/tools:1", User: "1000" })],
  });
  template.hasResourceProperties("AWS::ECS::Service", {
    NetworkConfiguration: { AwsvpcConfiguration: Match.objectLike({ AssignPublicIp: "DISABLED" }) },
  });
});

it("LambdaMcpServer keeps environments for itself, some of them started, on the processor that was chosen", () => {
  const stack = new Stack(new App(), "Own");
  new LambdaMcpServer(stack, "Server", {
    state: StateTable.fromNames(stack, "State", { tableName: "table" }),
    architecture: Architecture.X86_64,
    memoryMiB: 2_048,
    reservedConcurrency: 50,
    provisionedConcurrency: 5,
  });
  const template = Template.fromStack(stack);
  template.hasResourceProperties("AWS::Lambda::Function", {
    Description: "MCP server",
    Architectures: ["x86_64"],
    MemorySize: 2_048,
    ReservedConcurrentExecutions: 50,
  });
  template.hasResourceProperties("AWS::Lambda::Alias", {
    Name: "live",
    ProvisionedConcurrencyConfig: { ProvisionedConcurrentExecutions: 5 },
  });
  // Every route runs the alias, and the API may.
  const [alias] = Object.keys(template.findResources("AWS::Lambda::Alias"));
  for (const { Properties } of Object.values(template.findResources("AWS::ApiGateway::Method")))
    expect(JSON.stringify(Properties.Integration.Uri)).toContain(`"Ref":"${alias}"`);
  template.hasResourceProperties("AWS::Lambda::Permission", { FunctionName: { Ref: alias } });
});

it("FargateMcpServer runs and builds for the processor that was chosen", () => {
  const stack = new Stack(new App(), "Own");
  new FargateMcpServer(stack, "Server", {
    state: StateTable.fromNames(stack, "State", { tableName: "table" }),
    cpuArchitecture: CpuArchitecture.ARM64,
    cpu: 512,
    memoryMiB: 1_024,
  });
  Template.fromStack(stack).hasResourceProperties("AWS::ECS::TaskDefinition", {
    Cpu: "512",
    Memory: "1024",
    RuntimePlatform: { CpuArchitecture: "ARM64" },
  });
});
