// Traces of both servers: what is sent where, by whom, and that without them nothing of it is there.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Match, type Template } from "aws-cdk-lib/assertions";
import { beforeAll, describe, expect, it } from "vitest";
import { type Synthesis, synthesize } from "./synthesis.ts";

const SDK = "BatchSpanProcessor";
const SPANS = ["xray:PutSpans", "xray:PutSpansForIndexing"];

/** The code of the function with this description. */
function codeOf({ folder }: Synthesis, template: Template, description: string): string {
  const found = Object.values(
    template.findResources("AWS::Lambda::Function", { Properties: { Description: description } }),
  );
  const hash = String(found[0]?.Properties.Code.S3Key).replace(/\.zip$/, "");
  return readFileSync(join(folder, `asset.${hash}`, "index.mjs"), "utf8");
}
const actions = (template: Template): string[] =>
  Object.values(template.findResources("AWS::IAM::Policy")).flatMap(({ Properties }) =>
    Properties.PolicyDocument.Statement.flatMap(({ Action }: { Action: string | string[] }) => Action),
  );

describe("tracing=xray", () => {
  let without: Synthesis;
  let made: Synthesis;
  beforeAll(async () => {
    without = await synthesize({ tasks: "true" });
    made = await synthesize({ tasks: "true", tracing: "xray" });
  }, 120_000);

  it.each(["MCP server", "Runs the tasks of the MCP server"])(
    "%s: segments, spans and where to send them",
    (Description) => {
      const lambda = made.template("LambdaStack");
      lambda.hasResourceProperties("AWS::Lambda::Function", {
        Description,
        TracingConfig: { Mode: "Active" },
        Environment: {
          Variables: Match.objectLike({
            OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: {
              "Fn::Join": ["", ["https://xray.", { Ref: "AWS::Region" }, ".", { Ref: "AWS::URLSuffix" }, "/v1/traces"]],
            },
          }),
        },
      });
      expect(codeOf(made, lambda, Description)).toContain(SDK);
    },
  );

  it("the API begins the trace, and looking at tokens is no part of it", () => {
    const lambda = made.template("LambdaStack");
    lambda.hasResourceProperties("AWS::ApiGateway::Stage", { TracingEnabled: true });
    lambda.hasResourceProperties("AWS::Lambda::Function", {
      Description: "Checks the bearer tokens of the MCP server",
      TracingConfig: Match.absent(),
    });
    expect(actions(lambda).filter((action) => SPANS.includes(action))).toEqual([...SPANS, ...SPANS]);
  });

  it("FargateStack's tasks may send spans, and know where to", () => {
    const fargate = made.template("FargateStack");
    expect(actions(fargate)).toEqual(expect.arrayContaining(SPANS));
    expect(JSON.stringify(fargate.findResources("AWS::ECS::TaskDefinition"))).toContain("https://xray.");
  });

  it("without it there is no right, no address, no segment, and no SDK in a bundle", () => {
    for (const stack of ["LambdaStack", "FargateStack"] as const) {
      expect(JSON.stringify(without.template(stack))).not.toMatch(/xray|OTEL_|TracingConfig|TracingEnabled/);
    }
    expect(codeOf(without, without.template("LambdaStack"), "MCP server")).not.toContain(SDK);
  });
});

it("isolated subnets get an endpoint for it", async () => {
  const made = await synthesize({ tracing: "xray", isolated: "true" });
  made.template("FargateStack").hasResourceProperties("AWS::EC2::VPCEndpoint", {
    ServiceName: Match.objectLike({ "Fn::Join": ["", Match.arrayWith([".xray"])] }),
  });
});

it("what it does not know is refused", async () => {
  await expect(synthesize({ tracing: "on" })).rejects.toThrow('tracing is "on"; expected `xray` or `off`');
});
