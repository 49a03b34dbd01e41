import { readFileSync } from "node:fs";
import { join } from "node:path";
import { App, Stack } from "aws-cdk-lib";
import { describe, expect, it } from "vitest";
import { FargateMcpServer, LambdaMcpServer, readSettings, StateTable } from "../src/index.ts";
import { SETTINGS } from "../src/settings.ts";
import { REPOSITORY } from "./synthesis.ts";

const read = (context: Record<string, unknown>) => readSettings(new App({ context }).node);

describe("settings", () => {
  it("are in the documentation as they are in the code", () => {
    const [, shown = ""] = readFileSync(join(REPOSITORY, "docs/deploy.md"), "utf8").split(/<!-- \/?settings -->/);
    const rows = Object.entries(SETTINGS).map(
      ([name, { allowed, description }]) => `| \`${name}\` | ${allowed} | ${description} |`,
    );
    expect(shown.trim().split("\n")).toEqual(["| name | allowed | meaning |", "|---|---|---|", ...rows]);
  });

  it("all have defaults", () => {
    expect(read({})).toEqual({
      removeData: false,
      blobs: false,
      isolated: false,
      internal: false,
      tasks: false,
      gatewayLogRole: true,
      allowedCidrs: [],
      oauthClients: [],
    });
  });

  it("name tables of one's own, and where agents may write", () => {
    const tables = [
      { name: "orders", write: true },
      { name: "archive", write: false },
    ];
    expect(read({ itemTables: "orders:rw, archive" })).toMatchObject({ itemTables: tables });
  });

  it("are the same from the command line, which knows only text, and from cdk.json", () => {
    expect(read({ blobs: "true" })).toEqual(read({ blobs: true }));
    expect(read({ gatewayLogRole: "false" })).toEqual(read({ gatewayLogRole: false }));
  });

  it("leave the settings of the CDK alone", () => {
    expect(read({ "@aws-cdk/core:something": true, "aws:cdk:something": 1, "aws-cdk:x": "" })).toEqual(read({}));
  });

  it("with an unknown name are refused, with the names there are", () => {
    expect(() => read({ existingtable: "x" })).toThrow(/no setting existingtable\. The settings are: .*existingTable/);
  });

  it.each([
    ["name", "two words", "letters, digits and hyphens"],
    ["name", "1st", "a letter first"],
    ["longestRequestSeconds", "2m", "a whole number from 30 to 900"],
    ["hostedZoneId", "example.com", "the id of a zone of Route 53"],
    ["webAclArn", "arn:aws:wafv2:us-east-1:123456789012:global/webacl/mine/0b8c", "a regional web ACL"],
    ["vpcId", "default", "the id of a VPC"],
    ["availabilityZones", "eu-central-1a", "two or more zones"],
    ["subnetIds", "a,b", "ids of subnets"],
    ["blobs", "yes", "true or false"],
    ["itemTables", "orders:rw,orders", "name each table once"],
    ["itemTables", "orders:write", "`:rw` where agents may write"],
    ["existingTable", "no spaces", "a table name"],
    ["allowedCidr", "everybody", "203.0.113.7/32"],
    ["certificateArn", "arn:aws:iam::123456789012:role/x", "the ARN of a certificate"],
    ["encryptionKeyArn", "alias/mine", "the ARN of a KMS key"],
    ["encryptionKeyArn", "arn:aws:kms:eu-central-1:123456789012:key/cut-off", "the ARN of a KMS key"],
    ["oauthIssuer", "http://issuer.example", "https"],
    ["alarmEmail", "nobody", "an e-mail address"],
  ])("%s=%s is refused, with what is allowed", (name, value, allowed) => {
    expect(() => read({ [name]: value })).toThrow(name);
    expect(() => read({ [name]: value })).toThrow(JSON.stringify(value));
    expect(() => read({ [name]: value })).toThrow(allowed);
  });

  it.each([
    [{ existingBucket: "values" }, "existingTable"],
    [{ existingTable: "table", blobs: "true" }, "existingBucket"],
    [{ existingTable: "table", removeData: "true" }, "removeData"],
    [{ domainName: "mcp.example.com" }, "certificateArn"],
    [{ hostedZoneId: "Z0123456789" }, "hostedZoneId is given without domainName"],
    [{ internal: "true" }, "vpcId"],
    [{ subnetIds: "subnet-000000a1" }, "subnetIds is about a network that exists; give its vpcId as well"],
    [{ vpcId: "vpc-0a1b2c3d" }, "vpcId is given without subnets"],
    [
      { vpcId: "vpc-0a1b2c3d", subnetIds: "subnet-000000a1,subnet-000000a2", availabilityZones: "a,b,c" },
      "one for each zone",
    ],
    [
      {
        vpcId: "vpc-0a1b2c3d",
        publicSubnetIds: "subnet-000000a1,subnet-000000a2",
        availabilityZones: "a,b",
        isolated: "true",
      },
      "subnetIds",
    ],
  ])("%j is refused, because it contradicts itself", (context, named) => {
    expect(() => read(context)).toThrow(named);
  });
});

describe("properties of constructs", () => {
  const stack = () => new Stack(new App(), "Stack");
  const state = (within: Stack) => StateTable.fromNames(within, "State", { tableName: "table" });
  const fargate = (props: object) => {
    const within = stack();
    return () => new FargateMcpServer(within, "Server", { state: state(within), ...props });
  };
  const lambda = (props: object) => {
    const within = stack();
    return () => new LambdaMcpServer(within, "Server", { state: state(within), ...props });
  };

  it.each([
    [{ allowedCidrs: ["10.0.0.0"] }, '"10.0.0.0" is not an IPv4 network; give one such as 203.0.113.7/32'],
    [{ allowedCidrs: ["10.0.0.256/8"] }, "10.0.0.256/8"],
    [{ minTasks: 0 }, "minTasks is 0; give a whole number from 1 to 1000"],
    [{ minTasks: 3, maxTasks: 2 }, "maxTasks is 2; give a whole number from 3 to 1000"],
    [{ oauthIssuer: "https://issuer.example" }, "oauthAudience or oauthClients"],
    [{ oauthAudience: "mcp" }, "oauthIssuer"],
    [{ cpu: 300 }, "cpu is 300; give one of 256, 512, 1024, 2048, 4096, 8192, 16384"],
    [{ cpu: 256, memoryMiB: 1_536 }, "memoryMiB is 1536; with cpu 256 give 512, 1024 or 2048"],
    [{ cpu: 1024 }, "memoryMiB is 512; with cpu 1024 give 2048 to 8192 in steps of 1024"],
    [{ cpu: 8192, memoryMiB: 17_408 }, "steps of 4096"],
  ])("of FargateMcpServer are checked at once: %j", (props, message) => {
    expect(fargate(props)).toThrow(message);
  });

  it.each([
    [{ longestRequestSeconds: 901 }, "longestRequestSeconds is 901; give a whole number from 30 to 900"],
    [{ memoryMiB: 64 }, "memoryMiB is 64; give a whole number from 128 to 10240"],
    [{ reservedConcurrency: 0 }, "reservedConcurrency is 0; give a whole number from 1 to 100000"],
    [
      { reservedConcurrency: 5, provisionedConcurrency: 6 },
      "provisionedConcurrency is 6; give a whole number from 1 to 5",
    ],
    [{ requestsPerSecond: 0.5 }, "requestsPerSecond is 0.5"],
    [{ requestsPerSecond: 100, requestBurst: 50 }, "requestBurst is 50"],
    [{ oauthIssuer: "http://issuer.example", oauthAudience: "mcp" }, "https://"],
    [{ domainName: "mcp.example.com" }, "certificate"],
    [{ isolated: true }, "isolated and endpoints are about a network, which is missing; give vpc as well"],
  ])("of LambdaMcpServer are checked at once: %j", (props, message) => {
    expect(lambda(props)).toThrow(message);
  });

  it("of StateTable are checked at once", () => {
    expect(() => new StateTable(stack(), "State", { blobs: true, blobLifetimeDays: 0 })).toThrow(
      "blobLifetimeDays is 0",
    );
  });
});
