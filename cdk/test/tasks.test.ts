// The worker of tasks beside the server on Lambda: what it is made of, and what each of the two functions may do.
import { fileURLToPath } from "node:url";
import { IAM_GRANTS } from "@stateful-mcp/core/iam";
import { App, Stack } from "aws-cdk-lib";
import { Match, Template } from "aws-cdk-lib/assertions";
import { Bucket } from "aws-cdk-lib/aws-s3";
import { beforeAll, describe, expect, it } from "vitest";
import { LambdaMcpServer, ServerMonitoring, StateTable } from "../src/index.ts";
import { type Synthesis, synthesize } from "./synthesis.ts";

const OWN_APP = fileURLToPath(new URL("own-app.mjs", import.meta.url));

/** The actions of each function's role, by the function's description. */
function actionsByFunction(template: Template): Record<string, string[]> {
  const policies = Object.values(template.findResources("AWS::IAM::Policy"));
  const functions = Object.values(template.findResources("AWS::Lambda::Function"));
  return Object.fromEntries(
    functions
      .filter(({ Properties }) => Properties.Description !== undefined)
      .map(({ Properties }) => {
        const role = JSON.stringify(Properties.Role["Fn::GetAtt"][0]);
        const own = policies.filter((policy) => JSON.stringify(policy.Properties.Roles).includes(role));
        const actions = own.flatMap((policy) =>
          policy.Properties.PolicyDocument.Statement.flatMap(({ Action }: { Action: string | string[] }) => Action),
        );
        return [Properties.Description, actions.toSorted()];
      }),
  );
}

const SERVER = "MCP server";
const WORKER = "Runs the tasks of the MCP server";
const sqs = (actions: string[] = []) => actions.filter((action) => action.startsWith("sqs:"));
const granted = (...features: ("tasks" | "taskWorker" | "state")[]) =>
  features.flatMap((feature) => IAM_GRANTS[feature].flatMap(({ actions }): string[] => [...actions])).toSorted();

describe("LambdaStack with tasks", () => {
  let plain: Synthesis;
  let made: Synthesis;
  beforeAll(async () => {
    plain = await synthesize();
    made = await synthesize({ tasks: "true" });
  }, 120_000);
  const template = () => made.template("LambdaStack");

  it("has no queue unless told so, and FargateStack never", () => {
    for (const stack of [plain.template("LambdaStack"), made.template("FargateStack")])
      expect(stack.findResources("AWS::SQS::Queue")).toEqual({});
    expect(Object.keys(actionsByFunction(plain.template("LambdaStack")))).not.toContain(WORKER);
  });

  it("has a queue over TLS alone, encrypted, whose dead letters are kept for two weeks", () => {
    template().resourceCountIs("AWS::SQS::Queue", 2);
    template().allResourcesProperties("AWS::SQS::Queue", { SqsManagedSseEnabled: true });
    template().hasResourceProperties("AWS::SQS::Queue", {
      VisibilityTimeout: 960,
      MessageRetentionPeriod: 345_600,
      RedrivePolicy: { maxReceiveCount: 5 },
    });
    template().hasResourceProperties("AWS::SQS::Queue", { MessageRetentionPeriod: 1_209_600 });
    template().resourcePropertiesCountIs(
      "AWS::SQS::QueuePolicy",
      {
        PolicyDocument: {
          Statement: [Match.objectLike({ Effect: "Deny", Condition: { Bool: { "aws:SecureTransport": "false" } } })],
        },
      },
      2,
    );
  });

  it("calls the worker with one message at a time, for as long as a function may run, and again for as long as it asks", () => {
    template().hasResourceProperties("AWS::Lambda::Function", {
      Description: WORKER,
      Timeout: 900,
      RecursiveLoop: "Allow",
    });
    template().hasResourceProperties("AWS::Lambda::Function", { Description: SERVER, RecursiveLoop: Match.absent() });
    template().hasResource("AWS::Lambda::EventSourceMapping", {
      // Without its permissions in place the mapping cannot be made.
      DependsOn: [Match.stringLikeRegexp("^ServerTasksWorkerRoleDefaultPolicy")],
      Properties: {
        BatchSize: 1,
        FunctionResponseTypes: ["ReportBatchItemFailures"],
        ScalingConfig: { MaximumConcurrency: 10 },
      },
    });
  });

  it("lets the server send and the worker take, and both the table; no other function any of it", () => {
    const actions = actionsByFunction(template());
    expect(sqs(actions[SERVER])).toEqual(granted("tasks"));
    expect(sqs(actions[WORKER])).toEqual(granted("tasks", "taskWorker"));
    for (const name of [SERVER, WORKER]) expect(actions[name]).toEqual(expect.arrayContaining(granted("state")));
    expect(Object.keys(actions).filter((name) => sqs(actions[name]).length > 0)).toEqual(
      expect.arrayContaining([SERVER, WORKER]),
    );
    expect(Object.values(actions).filter((own) => sqs(own).length > 0)).toHaveLength(2);
  });

  it("tells both functions where the queue is", () => {
    const queued = Object.values(template().findResources("AWS::Lambda::Function")).filter(
      ({ Properties }) => Properties.Environment?.Variables.STATEFUL_MCP_TASK_QUEUE_URL !== undefined,
    );
    expect(queued.map(({ Properties }) => Properties.Description).toSorted()).toEqual([SERVER, WORKER]);
  });

  it("raises alarms for dead letters, a queue that grows, failed workers and tasks given up", () => {
    const alarms = Object.keys(template().findResources("AWS::CloudWatch::Alarm"));
    for (const id of ["TaskDeadLetters", "TaskQueueAge", "TaskWorkerErrors", "TasksGivenUp"])
      expect(alarms).toContainEqual(expect.stringMatching(`^Monitoring${id}Alarm`));
  });
});

describe("LambdaMcpServer with tasks", () => {
  const inStack = (props: Partial<ConstructorParameters<typeof LambdaMcpServer>[2]>) => {
    const stack = new Stack(new App(), "Own");
    const state = StateTable.fromNames(stack, "State", { tableName: "table" });
    const server = new LambdaMcpServer(stack, "Server", { state, entry: OWN_APP, ...props });
    new ServerMonitoring(stack, "Monitoring", { server, state });
    return { stack, server };
  };

  it("hands what it is granted to its worker, which runs the same tools", () => {
    const { stack, server } = inStack({ tasks: true, taskConcurrency: 50 });
    new Bucket(stack, "Pictures").grantRead(server);
    const template = Template.fromStack(stack);
    const actions = actionsByFunction(template);
    for (const name of [SERVER, WORKER]) expect(actions[name]).toContain("s3:GetObject*");
    template.hasResourceProperties("AWS::Lambda::EventSourceMapping", { ScalingConfig: { MaximumConcurrency: 50 } });
  });

  it("refuses a concurrency out of bounds, or without tasks", () => {
    expect(() => inStack({ tasks: true, taskConcurrency: 1 })).toThrow("taskConcurrency is 1");
    expect(() => inStack({ taskConcurrency: 10 })).toThrow("taskConcurrency is given without tasks");
  });
});
