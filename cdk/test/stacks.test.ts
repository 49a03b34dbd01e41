import { readFileSync } from "node:fs";
import { join } from "node:path";
import { IAM_GRANTS } from "@stateful-mcp/core/iam";
import { parseTokens } from "@stateful-mcp/core/tokens";
import { Match, type Template } from "aws-cdk-lib/assertions";
import { beforeAll, describe, expect, it } from "vitest";
import { REPOSITORY, type StackName, type Synthesis, stable, synthesize } from "./synthesis.ts";

/** The table of settings, which a test of its own holds to the code. */
const SETTINGS_PAGE = join(REPOSITORY, "docs/reference/settings.md");
const [, SETTINGS = ""] = readFileSync(SETTINGS_PAGE, "utf8").split(/<!-- \/?configuration -->/);
const CERTIFICATE = "arn:aws:acm:eu-central-1:123456789012:certificate/0b8cf0c2-0000-4000-8000-000000000000";

const KEY = "arn:aws:kms:eu-central-1:123456789012:key/0b8cf0c2-0000-4000-8000-000000000001";

const WEB_ACL = "arn:aws:wafv2:eu-central-1:123456789012:regional/webacl/mine/0b8cf0c2-0000-4000-8000-000000000002";
const BOUNDARY = { "@aws-cdk/core:permissionsBoundary": { name: "developers" } };
const NETWORK = {
  vpcId: "vpc-0a1b2c3d",
  availabilityZones: "eu-central-1a,eu-central-1b",
  subnetIds: "subnet-000000a1,subnet-000000a2",
};

/** Every way in which the stacks differ. That they are synthesized at all means that cdk-nag has no open finding. */
const VARIANTS = {
  plain: {},
  secured: {
    allowedCidr: "203.0.113.7/32, 198.51.100.0/24",
    ...NETWORK,
    subnetIds: "",
    publicSubnetIds: "subnet-000000c1,subnet-000000c2",
    certificateArn: CERTIFICATE,
    domainName: "mcp.example.com",
  },
  oauth: {
    oauthIssuer: "https://issuer.example",
    oauthAudience: "https://mcp.example.com/mcp",
    certificateArn: CERTIFICATE,
    domainName: "mcp.example.com",
    hostedZoneId: "Z0123456789",
    webAclArn: WEB_ACL,
    gatewayLogRole: "false",
  },
  disposable: {
    removeData: "true",
    blobs: "true",
    alarmEmail: "ops@example.com",
    allowedCidr: "0.0.0.0/0",
    isolated: "true",
    ...BOUNDARY,
  },
  adopted: {
    existingTable: "left-behind",
    existingBucket: "left-behind-values",
    encryptionKeyArn: KEY,
    ...NETWORK,
    isolated: "true",
    internal: "true",
  },
  encrypted: {
    blobs: "true",
    tasks: "true",
    encryptionKeyArn: KEY,
    ...BOUNDARY,
    ...NETWORK,
    publicSubnetIds: "subnet-000000c1,subnet-000000c2",
  },
  named: { name: "prod", longestRequestSeconds: "120" },
} satisfies Record<string, Record<string, unknown>>;

const made = {} as Record<keyof typeof VARIANTS, Synthesis>;
beforeAll(async () => {
  // What functions run has suites of its own, and bundling it takes most of the time.
  const context = { "aws:cdk:bundling-stacks": [] };
  for (const [name, settings] of Object.entries(VARIANTS))
    made[name as keyof typeof VARIANTS] = await synthesize({ ...settings, ...context });
}, 300_000);

/** All statements of all policies of a stack. */
function statements(template: Template): { actions: string[]; resource: unknown }[] {
  const policies = Object.values({
    ...template.findResources("AWS::IAM::Policy"),
    ...template.findResources("AWS::IAM::ManagedPolicy"),
  });
  return policies.flatMap((policy) =>
    policy.Properties.PolicyDocument.Statement.map((statement: { Action: string | string[]; Resource: unknown }) => ({
      actions: [statement.Action].flat(),
      resource: statement.Resource,
    })),
  );
}

const serversOf = ({ stacks }: Synthesis) => stacks.filter((id) => !id.endsWith("StateStack")) as StackName[];

const actionsOn = (template: Template, service: string): string[] =>
  statements(template)
    .flatMap(({ actions }) => actions)
    .filter((action) => action.startsWith(`${service}:`))
    .sort();

const environments = (template: Template): Record<string, unknown>[] => [
  ...Object.values(template.findResources("AWS::Lambda::Function"))
    .filter((found) => found.Properties.Handler === "index.handler" && found.Properties.Description !== undefined)
    .map((found) => found.Properties.Environment?.Variables ?? {}),
  ...Object.values(template.findResources("AWS::ECS::TaskDefinition")).map((found) =>
    Object.fromEntries(
      found.Properties.ContainerDefinitions[0].Environment.map((each: { Name: string; Value: unknown }) => [
        each.Name,
        each.Value,
      ]),
    ),
  ),
];

/** The names that a template chooses and that its account and region hold once: CloudFormation names the rest after its stack. */
function namesIn(template: Template): string[] {
  const { Resources = {}, Outputs = {} } = template.toJSON();
  const chosen = Object.values(Resources as Record<string, { Type: string; Properties?: Record<string, unknown> }>)
    // What is within another resource is named there: stages of an API, methods, policies of a role.
    .filter(({ Type }) => !/ApiGateway::(?!RestApi)|IAM::Policy|ScalingPolicy/.test(Type))
    .flatMap(({ Type, Properties = {} }) => {
      const [, own = ""] = /::(\w+)$/.exec(Type)!;
      const { MetricTransformations: metrics = [] } = Properties as {
        MetricTransformations?: { MetricName: string }[];
      };
      return [Properties.Name, Properties[`${own}Name`], ...metrics.map(({ MetricName }) => MetricName)];
    });
  const exported = Object.values(Outputs as Record<string, { Export?: { Name: string } }>).map(
    (out) => out.Export?.Name,
  );
  return [...chosen, ...exported].filter((name): name is string => typeof name === "string");
}

describe("every stack", () => {
  it.each(["StateStack", "LambdaStack", "FargateStack"] as const)("%s is what it was", async (stack: StackName) => {
    await expect(stable(made.plain.template(stack))).toMatchFileSnapshot(`__snapshots__/${stack}.json.snap`);
  });

  it("stands alone beside the state's stack", () => {
    expect(made.plain.stacks).toEqual(["StateStack", "LambdaStack", "FargateStack"]);
    const lambda = stable(made.plain.template("LambdaStack"));
    expect(lambda).toContain("StateStack:ExportsOutput");
    expect(lambda).not.toContain("FargateStack");
    expect(stable(made.plain.template("FargateStack"))).not.toContain("LambdaStack");
  });

  it("of another name shares no stack and no name with one that has none", () => {
    expect(made.named.stacks).toEqual(["prod-StateStack", "prod-LambdaStack", "prod-FargateStack"]);
    expect(stable(made.named.template("prod-LambdaStack"))).toContain("prod-StateStack:ExportsOutput");
    for (const stack of ["StateStack", "LambdaStack", "FargateStack"] as const) {
      const named = namesIn(made.named.template(`prod-${stack}`));
      for (const name of namesIn(made.plain.template(stack))) expect(named).not.toContain(name);
    }
    // The API, three metrics of which one has two filters, and four queries.
    expect(namesIn(made.plain.template("LambdaStack"))).toHaveLength(9);
  });

  it("exports nothing that another choice of settings would take back while a server's stack imports it", () => {
    const exports = Object.values(made)
      .filter(({ stacks }) => stacks.includes("StateStack"))
      .map((synthesis) =>
        Object.entries(synthesis.template("StateStack").toJSON().Outputs)
          .filter(([, output]) => (output as { Export?: object }).Export !== undefined)
          .map(([name]) => name)
          .sort(),
      );
    expect(exports.length).toBeGreaterThan(4);
    expect(exports[0]).toHaveLength(2);
    for (const each of exports) expect(each).toEqual(exports[0]);
  });

  it("asks for no account, no region and no look-up", () => {
    for (const { messages, folder } of Object.values(made)) {
      expect(messages).not.toContain("missing");
      expect(folder).toBeTruthy();
    }
  });

  it("allows no action on everything, except where AWS knows no resource", () => {
    for (const synthesis of Object.values(made)) {
      for (const stack of synthesis.stacks as StackName[]) {
        for (const { actions, resource } of statements(synthesis.template(stack))) {
          expect(actions.filter((action) => action.includes("*"))).toEqual([]);
          if (resource !== "*" || actions.every((action) => action.startsWith("ec2:"))) continue;
          expect(actions).toEqual(["ecr:GetAuthorizationToken"]);
        }
      }
    }
  });

  it.each(["LambdaStack", "FargateStack"] as const)(
    "%s may do with the table what serving needs, and nothing else",
    (stack) => {
      const [{ actions }] = IAM_GRANTS.state;
      expect(actionsOn(made.plain.template(stack), "dynamodb")).toEqual([...actions].sort());
      expect(actionsOn(made.plain.template(stack), "s3")).toEqual([]);
    },
  );

  it.each(["LambdaStack", "FargateStack"] as const)("%s may use the bucket only where there is one", (stack) => {
    const expected = IAM_GRANTS.blobs.flatMap(({ actions }) => [...actions]).sort();
    expect(actionsOn(made.disposable.template(stack), "s3")).toEqual(expected);
    expect(actionsOn(made.adopted.template(stack), "s3")).toEqual(expected);
  });

  it("sets only variables that the server knows, and no secret among them", () => {
    for (const synthesis of Object.values(made)) {
      for (const stack of serversOf(synthesis)) {
        const found = environments(synthesis.template(stack));
        expect(found.length).toBeGreaterThan(0);
        for (const environment of found) {
          const unknown = Object.keys(environment).filter((name) => !SETTINGS.includes(`\`${name}\``));
          expect(unknown).toEqual([]);
          expect(environment).not.toHaveProperty("MCP_AUTH_TOKEN");
        }
      }
    }
  });

  it.each(["LambdaStack", "FargateStack"] as const)(
    "%s tells where to connect and how to read the token, not the token",
    (stack) => {
      const template = made.plain.template(stack);
      template.hasOutput("Url", {});
      const [output] = Object.values(template.findOutputs("TokenCommand"));
      expect(JSON.stringify(output)).toContain("aws secretsmanager get-secret-value");
      expect(made.oauth.template(stack).findOutputs("TokenCommand")).toEqual({});
    },
  );

  it("makes a random token of a form that the server accepts", () => {
    const [secret] = Object.values(made.plain.template("LambdaStack").findResources("AWS::SecretsManager::Secret"));
    const { PasswordLength, ExcludePunctuation } = secret!.Properties.GenerateSecretString;
    expect(PasswordLength).toBeGreaterThanOrEqual(32);
    expect(ExcludePunctuation).toBe(true);
    expect(() => parseTokens("a1B".repeat(20).slice(0, PasswordLength))).not.toThrow();
  });

  it.each(["LambdaStack", "FargateStack"] as const)("%s sends alarms to the address that was given", (stack) => {
    const template = made.disposable.template(stack);
    template.hasResourceProperties("AWS::SNS::Subscription", { Protocol: "email", Endpoint: "ops@example.com" });
    template.allResourcesProperties("AWS::CloudWatch::Alarm", { AlarmActions: [Match.anyValue()] });
    expect(made.plain.template(stack).findResources("AWS::SNS::Topic")).toEqual({});
  });

  it.each(["LambdaStack", "FargateStack"] as const)(
    "%s keeps logs for a month, and no log group survives it",
    (stack) => {
      const groups = Object.values(made.plain.template(stack).findResources("AWS::Logs::LogGroup"));
      expect(groups.length).toBeGreaterThan(0);
      for (const group of groups) {
        expect(group.Properties.RetentionInDays).toBe(30);
        expect(group.DeletionPolicy).toBe("Delete");
      }
    },
  );

  it("puts the permissions boundary of cdk.json on each role, those of the CDK's own helpers included", () => {
    const roles = [made.disposable, made.encrypted].flatMap((synthesis) =>
      (synthesis.stacks as StackName[]).flatMap((stack) =>
        Object.values(synthesis.template(stack).findResources("AWS::IAM::Role")),
      ),
    );
    expect(roles.length).toBeGreaterThan(10);
    for (const { Properties } of roles)
      expect(JSON.stringify(Properties.PermissionsBoundary)).toContain(":policy/developers");
  });

  it("leaves nothing behind except data and what was there before", () => {
    for (const synthesis of Object.values(made)) {
      for (const stack of serversOf(synthesis)) {
        const kept = Object.values(
          synthesis.template(stack).toJSON().Resources as Record<string, { DeletionPolicy?: string }>,
        );
        expect(kept.filter(({ DeletionPolicy }) => DeletionPolicy === "Retain")).toEqual([]);
      }
    }
  });
});

describe("a key whose ARN is given", () => {
  it("encrypts everything that is kept", () => {
    const { encrypted } = made;
    encrypted.template("StateStack").hasResourceProperties("AWS::DynamoDB::GlobalTable", {
      Replicas: [Match.objectLike({ SSESpecification: { KMSMasterKeyId: KEY } })],
    });
    for (const stack of ["LambdaStack", "FargateStack"] as const) {
      encrypted.template(stack).allResourcesProperties("AWS::Logs::LogGroup", { KmsKeyId: KEY });
      encrypted.template(stack).allResourcesProperties("AWS::SecretsManager::Secret", { KmsKeyId: KEY });
    }
    encrypted.template("LambdaStack").allResourcesProperties("AWS::SQS::Queue", { KmsMasterKeyId: KEY });
    expect(encrypted.messages).toContain("has to let logs.<region>.amazonaws.com use the key");
  });

  it.each(["LambdaStack", "FargateStack"] as const)("may be used by %s on a table that was adopted", (stack) => {
    expect(actionsOn(made.adopted.template(stack), "kms")).toContain("kms:GenerateDataKey");
    expect(actionsOn(made.plain.template(stack), "kms")).toEqual([]);
  });
});

describe("the front door", () => {
  it("has its DNS record made where the zone is given, and else says where it has to point", () => {
    for (const [stack, target] of [
      ["LambdaStack", "RegionalDomainName"],
      ["FargateStack", "DNSName"],
    ] as const) {
      made.oauth.template(stack).hasResourceProperties("AWS::Route53::RecordSet", {
        HostedZoneId: "Z0123456789",
        Name: "mcp.example.com.",
        Type: "A",
        AliasTarget: Match.anyValue(),
      });
      const [record] = Object.values(made.oauth.template(stack).findResources("AWS::Route53::RecordSet"));
      expect(JSON.stringify(record!.Properties.AliasTarget.DNSName)).toContain(target);
      expect(made.oauth.template(stack).findOutputs("DnsTarget")).toEqual({});
      expect(made.secured.template(stack).findResources("AWS::Route53::RecordSet")).toEqual({});
      made.secured.template(stack).hasOutput("DnsTarget", {});
    }
  });

  it("has a web ACL before it where one is given", () => {
    made.oauth.template("LambdaStack").hasResourceProperties("AWS::WAFv2::WebACLAssociation", {
      WebACLArn: WEB_ACL,
      ResourceArn: {
        "Fn::Join": ["", Match.arrayWith([Match.stringLikeRegexp("/restapis/"), Match.stringLikeRegexp("/stages/")])],
      },
    });
    made.oauth.template("FargateStack").hasResourceProperties("AWS::WAFv2::WebACLAssociation", {
      WebACLArn: WEB_ACL,
      ResourceArn: { Ref: Match.stringLikeRegexp("LoadBalancer") },
    });
    expect(made.plain.template("LambdaStack").findResources("AWS::WAFv2::WebACLAssociation")).toEqual({});
  });
});

describe("networks", () => {
  const serviceOf = (synthesis: Synthesis) => {
    const [service] = Object.values(synthesis.template("FargateStack").findResources("AWS::ECS::Service"));
    return service!;
  };
  const balancerOf = (synthesis: Synthesis) =>
    Object.values(synthesis.template("FargateStack").findResources("AWS::ElasticLoadBalancingV2::LoadBalancer"))[0]!
      .Properties;
  const endpointsOf = (template: Template, type: string): string[] =>
    Object.values(template.findResources("AWS::EC2::VPCEndpoint"))
      .filter(({ Properties }) => Properties.VpcEndpointType === type)
      .map(
        ({ Properties }) =>
          /\.([a-z0-9.-]+)"/.exec(JSON.stringify(Properties.ServiceName).replace("com.amazonaws.", ""))![1]!,
      )
      .sort();

  it("of two isolated subnets reach AWS through endpoints, before a task starts, and the internet not at all", () => {
    const template = made.disposable.template("FargateStack");
    expect(endpointsOf(template, "Gateway")).toEqual(["dynamodb", "s3"]);
    expect(endpointsOf(template, "Interface")).toEqual(["ecr.api", "ecr.dkr", "logs", "secretsmanager"]);
    expect(template.findResources("AWS::EC2::NatGateway")).toEqual({});
    const { AwsvpcConfiguration } = serviceOf(made.disposable).Properties.NetworkConfiguration;
    expect(AwsvpcConfiguration.AssignPublicIp).toBe("DISABLED");
    expect(JSON.stringify(AwsvpcConfiguration.Subnets)).toMatch(/Isolated.*Isolated/);
    for (const id of Object.keys(template.findResources("AWS::EC2::VPCEndpoint")))
      expect(serviceOf(made.disposable).DependsOn).toContain(id);
    const [group] = AwsvpcConfiguration.SecurityGroups;
    const admitted = Object.values(template.findResources("AWS::EC2::SecurityGroupIngress")).filter(
      ({ Properties }) => Properties.ToPort === 443,
    );
    expect(admitted).toHaveLength(4);
    for (const { Properties } of admitted) expect(Properties.SourceSecurityGroupId).toEqual(group);
    expect(balancerOf(made.disposable).Scheme).toBe("internet-facing");
    expect(JSON.stringify(balancerOf(made.disposable).Subnets)).toMatch(/Public.*Public/);
  });

  it("that exist are used by their ids, without a look-up: tasks and functions in private subnets, the load balancer in public ones", () => {
    const { AwsvpcConfiguration } = serviceOf(made.encrypted).Properties.NetworkConfiguration;
    expect(AwsvpcConfiguration).toMatchObject({
      AssignPublicIp: "DISABLED",
      Subnets: ["subnet-000000a1", "subnet-000000a2"],
    });
    expect(balancerOf(made.encrypted)).toMatchObject({
      Scheme: "internet-facing",
      Subnets: ["subnet-000000c1", "subnet-000000c2"],
    });
    const template = made.encrypted.template("LambdaStack");
    for (const Description of ["MCP server", "Runs the tasks of the MCP server"])
      template.hasResourceProperties("AWS::Lambda::Function", {
        Description,
        VpcConfig: { SubnetIds: ["subnet-000000a1", "subnet-000000a2"], SecurityGroupIds: [Match.anyValue()] },
      });
    template.hasResourceProperties("AWS::Lambda::Function", {
      Description: Match.stringLikeRegexp("bearer tokens"),
      VpcConfig: Match.absent(),
    });
    template.hasResourceProperties("AWS::EC2::SecurityGroup", {
      VpcId: "vpc-0a1b2c3d",
      SecurityGroupEgress: [Match.objectLike({ CidrIp: "0.0.0.0/0", FromPort: 443, ToPort: 443, IpProtocol: "tcp" })],
    });
    expect(actionsOn(template, "ec2")).toHaveLength(12);
    expect(actionsOn(made.plain.template("LambdaStack"), "ec2")).toEqual([]);
    for (const stack of ["LambdaStack", "FargateStack"] as const)
      expect(made.encrypted.template(stack).findResources("AWS::EC2::VPC")).toEqual({});
  });

  it("hold a load balancer that only they reach", () => {
    expect(balancerOf(made.adopted)).toMatchObject({
      Scheme: "internal",
      Subnets: ["subnet-000000a1", "subnet-000000a2"],
    });
    // The endpoints of a network that exists are its owner's.
    for (const stack of ["LambdaStack", "FargateStack"] as const)
      expect(made.adopted.template(stack).findResources("AWS::EC2::VPCEndpoint")).toEqual({});
  });

  it("of public subnets alone are for tasks, with addresses of their own, and not for functions", () => {
    const { AwsvpcConfiguration } = serviceOf(made.secured).Properties.NetworkConfiguration;
    expect(AwsvpcConfiguration).toMatchObject({
      AssignPublicIp: "ENABLED",
      Subnets: ["subnet-000000c1", "subnet-000000c2"],
    });
    made.secured.template("LambdaStack").allResourcesProperties("AWS::Lambda::Function", { VpcConfig: Match.absent() });
  });
});

describe("StateStack", () => {
  const tableOf = (synthesis: Synthesis) =>
    Object.values(synthesis.template("StateStack").findResources("AWS::DynamoDB::GlobalTable"))[0]!;

  it("keeps the table: on demand, recoverable, encrypted, protected, without a name, and retained", () => {
    made.plain.template("StateStack").hasResource("AWS::DynamoDB::GlobalTable", {
      DeletionPolicy: "Retain",
      UpdateReplacePolicy: "Retain",
      Properties: {
        TableName: Match.absent(),
        BillingMode: "PAY_PER_REQUEST",
        KeySchema: [
          { AttributeName: "pk", KeyType: "HASH" },
          { AttributeName: "sk", KeyType: "RANGE" },
        ],
        AttributeDefinitions: [
          { AttributeName: "pk", AttributeType: "S" },
          { AttributeName: "sk", AttributeType: "S" },
        ],
        TimeToLiveSpecification: { AttributeName: "expiresAt", Enabled: true },
        SSESpecification: { SSEEnabled: true, SSEType: "KMS" },
        Replicas: [
          {
            DeletionProtectionEnabled: true,
            PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
          },
        ],
      },
    });
  });

  it("gives the table up when told so", () => {
    const table = tableOf(made.disposable);
    expect(table.DeletionPolicy).toBe("Delete");
    expect(table.Properties.Replicas[0].DeletionProtectionEnabled).toBe(false);
  });

  it("has a bucket only on request: private, encrypted, over TLS, and cleaned up after the longest session", () => {
    expect(made.plain.template("StateStack").findResources("AWS::S3::Bucket")).toEqual({});
    const template = made.disposable.template("StateStack");
    template.hasResourceProperties("AWS::S3::Bucket", {
      PublicAccessBlockConfiguration: {
        BlockPublicAcls: true,
        BlockPublicPolicy: true,
        IgnorePublicAcls: true,
        RestrictPublicBuckets: true,
      },
      BucketEncryption: {
        ServerSideEncryptionConfiguration: [{ ServerSideEncryptionByDefault: { SSEAlgorithm: "AES256" } }],
      },
      LifecycleConfiguration: { Rules: [Match.objectLike({ ExpirationInDays: 97, Status: "Enabled" })] },
    });
    template.hasResourceProperties("AWS::S3::BucketPolicy", {
      PolicyDocument: {
        Statement: Match.arrayWith([
          Match.objectLike({ Effect: "Deny", Condition: { Bool: { "aws:SecureTransport": "false" } } }),
        ]),
      },
    });
  });

  it("is not there when a table is adopted", () => {
    expect(made.adopted.stacks).toEqual(["LambdaStack", "FargateStack"]);
    for (const stack of ["LambdaStack", "FargateStack"] as const) {
      const [environment] = environments(made.adopted.template(stack)).filter((each) => "MCP_STATE_TABLE" in each);
      expect(environment).toMatchObject({
        MCP_STATE_TABLE: "left-behind",
        STATEFUL_MCP_BLOB_BUCKET: "left-behind-values",
      });
    }
  });
});

describe("LambdaStack", () => {
  const template = () => made.plain.template("LambdaStack");
  const methodsOf = (synthesis: Synthesis) =>
    Object.values(synthesis.template("LambdaStack").findResources("AWS::ApiGateway::Method")).map(
      (method) => method.Properties,
    );

  it("streams for up to 15 minutes through a regional REST API", () => {
    template().hasResourceProperties("AWS::ApiGateway::RestApi", { EndpointConfiguration: { Types: ["REGIONAL"] } });
    for (const { Integration } of methodsOf(made.plain)) {
      expect(Integration).toMatchObject({
        Type: "AWS_PROXY",
        ResponseTransferMode: "STREAM",
        TimeoutInMillis: 900_000,
      });
      expect(JSON.stringify(Integration.Uri)).toMatch(/2021-11-15\/functions\/.*response-streaming-invocations/);
    }
    template().hasResourceProperties("AWS::Lambda::Function", {
      Description: "MCP server",
      Timeout: 900,
      Runtime: "nodejs24.x",
    });
  });

  it("ends requests sooner when told so, at the front door and in the function", () => {
    made.named
      .template("prod-LambdaStack")
      .hasResourceProperties("AWS::Lambda::Function", { Description: "MCP server", Timeout: 120 });
    const methods = Object.values(made.named.template("prod-LambdaStack").findResources("AWS::ApiGateway::Method"));
    expect(methods.map(({ Properties }) => Properties.Integration.TimeoutInMillis)).toEqual(methods.map(() => 120_000));
  });

  it("asks its authorizer about every route but health and discovery, at every request", () => {
    const open = methodsOf(made.plain).filter(({ AuthorizationType }) => AuthorizationType === "NONE");
    const closed = methodsOf(made.plain).filter(({ AuthorizationType }) => AuthorizationType === "CUSTOM");
    expect(closed.map(({ HttpMethod }) => HttpMethod)).toEqual(["ANY"]);
    expect(open.map(({ HttpMethod }) => HttpMethod)).toEqual(["GET", "GET"]);
    const paths = Object.values(template().findResources("AWS::ApiGateway::Resource")).map(
      ({ Properties }) => Properties.PathPart,
    );
    expect(paths.sort()).toEqual([".well-known", "healthz", "{proxy+}", "{proxy+}"]);
    template().hasResourceProperties("AWS::ApiGateway::Authorizer", {
      Type: "REQUEST",
      IdentitySource: "method.request.header.Authorization",
      AuthorizerResultTtlInSeconds: 0,
    });
  });

  it("lets the server trust the authorizer, which alone reads the tokens", () => {
    const [server, authorizer] = environments(template());
    expect(server).toMatchObject({ MCP_STATE_BACKEND: "dynamodb", STATEFUL_MCP_TRUST_AUTHORIZER: "on" });
    expect(authorizer).toHaveProperty("MCP_AUTH_TOKEN_SECRET");
    expect(actionsOn(template(), "secretsmanager")).toEqual(["secretsmanager:GetSecretValue"]);
  });

  it("says in a 401 how to authenticate", () => {
    template().hasResourceProperties("AWS::ApiGateway::GatewayResponse", {
      ResponseType: "UNAUTHORIZED",
      ResponseParameters: { "gatewayresponse.header.WWW-Authenticate": `'Bearer realm="stateful-mcp"'` },
    });
  });

  it("logs accesses without any header, and is throttled", () => {
    const [stage] = Object.values(template().findResources("AWS::ApiGateway::Stage"));
    const { AccessLogSetting, MethodSettings } = stage!.Properties;
    expect(AccessLogSetting.Format).not.toMatch(/header|authorizer|authorization/i);
    expect(MethodSettings).toEqual([
      expect.objectContaining({ ThrottlingRateLimit: 100, ThrottlingBurstLimit: 200, DataTraceEnabled: false }),
    ]);
  });

  it("asks an authorizer with OAuth too, which lets only the issuer's tokens through, and the function checks again", () => {
    const oauth = made.oauth.template("LambdaStack");
    expect(methodsOf(made.oauth).map(({ AuthorizationType }) => AuthorizationType)).toEqual(["CUSTOM", "NONE", "NONE"]);
    for (const type of ["AWS::SecretsManager::Secret", "AWS::ApiGateway::Account"]) {
      expect(oauth.findResources(type)).toEqual({});
    }
    const [server, authorizer] = environments(oauth);
    for (const environment of [server, authorizer])
      expect(environment).toMatchObject({
        STATEFUL_MCP_OAUTH_ISSUER: "https://issuer.example",
        STATEFUL_MCP_OAUTH_AUDIENCE: "https://mcp.example.com/mcp",
      });
    expect(server).toHaveProperty("STATEFUL_MCP_PUBLIC_URL", "https://mcp.example.com");
    expect(server).not.toHaveProperty("STATEFUL_MCP_TRUST_AUTHORIZER");
  });

  it("says in a 401 with OAuth where its metadata is", () => {
    made.oauth.template("LambdaStack").hasResourceProperties("AWS::ApiGateway::GatewayResponse", {
      ResponseType: "UNAUTHORIZED",
      ResponseParameters: {
        "gatewayresponse.header.WWW-Authenticate": `'Bearer realm="stateful-mcp", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp"'`,
      },
    });
  });

  it("with OAuth demands a name of its own, of this stack alone", async () => {
    const { messages, folder } = await synthesize({ oauthIssuer: "https://issuer.example", oauthClients: "agent" });
    expect(messages).toContain("OAuth on Lambda needs domainName and certificate");
    expect(readFileSync(join(folder, "FargateStack.metadata.json"), "utf8")).not.toContain("needs domainName");
  });

  it("is reached under a name of one's own when there is a certificate for it", () => {
    const secured = made.secured.template("LambdaStack");
    secured.hasResourceProperties("AWS::ApiGateway::DomainName", {
      DomainName: "mcp.example.com",
      RegionalCertificateArn: CERTIFICATE,
      SecurityPolicy: "TLS_1_2",
    });
    secured.hasOutput("Url", { Value: "https://mcp.example.com/mcp" });
  });

  it("raises alarms for errors, throttles, slow calls, 5xx and the table", () => {
    const ids = Object.keys(template().findResources("AWS::CloudWatch::Alarm")).join(" ");
    for (const signal of [
      "FunctionErrors",
      "FunctionThrottles",
      "ServerErrors",
      "SlowCalls",
      "FailedCalls",
      "TableThrottles",
      "Refusals",
    ]) {
      expect(ids).toContain(signal);
    }
    template().resourceCountIs("AWS::CloudWatch::Dashboard", 1);
  });

  it("counts refusals of both functions in one metric, and saves questions that ask both logs", () => {
    const refusals = Object.values(template().findResources("AWS::Logs::MetricFilter"))
      .map(({ Properties }) => Properties)
      .filter(({ FilterPattern }) => FilterPattern.includes("refused"));
    expect(refusals).toHaveLength(2);
    expect(new Set(refusals.map(({ MetricTransformations: [one] }) => one.MetricName)).size).toBe(1);
    expect(new Set(refusals.map(({ LogGroupName }) => JSON.stringify(LogGroupName))).size).toBe(2);
    const queries = Object.values(template().findResources("AWS::Logs::QueryDefinition"));
    expect(queries).toHaveLength(4);
    for (const { Properties } of queries) expect(Properties.LogGroupNames).toHaveLength(2);
  });
});

describe("FargateStack", () => {
  const template = () => made.plain.template("FargateStack");
  const containerOf = (synthesis: Synthesis) =>
    Object.values(synthesis.template("FargateStack").findResources("AWS::ECS::TaskDefinition"))[0]!.Properties
      .ContainerDefinitions[0];
  const clientsOf = (synthesis: Synthesis) =>
    Object.values(synthesis.template("FargateStack").findResources("AWS::EC2::SecurityGroup")).flatMap(
      ({ Properties }) => Properties.SecurityGroupIngress ?? [],
    );

  it("runs the repository's image as nobody in particular, on a file system that it cannot write", () => {
    expect(containerOf(made.plain)).toMatchObject({
      User: "1000",
      ReadonlyRootFilesystem: true,
      StopTimeout: 60,
      PortMappings: [{ ContainerPort: 3333, Protocol: "tcp" }],
      Image: { "Fn::Sub": expect.stringContaining("container-assets") },
    });
  });

  it("injects the token from Secrets Manager", () => {
    expect(containerOf(made.plain).Secrets).toEqual([{ Name: "MCP_AUTH_TOKEN", ValueFrom: expect.anything() }]);
    expect(containerOf(made.oauth).Secrets).toBeUndefined();
  });

  it("reaches DynamoDB without leaving the network", () => {
    template().hasResourceProperties("AWS::EC2::VPCEndpoint", {
      ServiceName: { "Fn::Join": ["", ["com.amazonaws.", { Ref: "AWS::Region" }, ".dynamodb"]] },
      VpcEndpointType: "Gateway",
    });
    expect(template().findResources("AWS::EC2::NatGateway")).toEqual({});
  });

  it("checks health, sticks to nothing, and drains before it stops a task", () => {
    template().hasResourceProperties("AWS::ElasticLoadBalancingV2::TargetGroup", {
      HealthCheckPath: "/healthz",
      Port: 3333,
      TargetGroupAttributes: Match.arrayWith([
        { Key: "deregistration_delay.timeout_seconds", Value: "30" },
        { Key: "stickiness.enabled", Value: "false" },
      ]),
    });
  });

  it("cuts idle connections after the keep-alive of streams and before the server does", () => {
    const [balancer] = Object.values(template().findResources("AWS::ElasticLoadBalancingV2::LoadBalancer"));
    const attributes: { Key: string; Value: string }[] = balancer!.Properties.LoadBalancerAttributes;
    const idleSeconds = Number(attributes.find(({ Key }) => Key === "idle_timeout.timeout_seconds")!.Value);
    expect(idleSeconds).toBeGreaterThan(15);
    expect(idleSeconds).toBeLessThan(65);
  });

  it("rolls a failed deployment back and scales on processor and requests", () => {
    template().hasResourceProperties("AWS::ECS::Service", {
      DeploymentConfiguration: {
        DeploymentCircuitBreaker: { Enable: true, Rollback: true },
        MinimumHealthyPercent: 100,
        MaximumPercent: 200,
      },
      DesiredCount: Match.absent(),
    });
    template().hasResourceProperties("AWS::ApplicationAutoScaling::ScalableTarget", {
      MinCapacity: 2,
      MaxCapacity: 10,
    });
    const metrics = Object.values(template().findResources("AWS::ApplicationAutoScaling::ScalingPolicy")).map(
      ({ Properties }) =>
        Properties.TargetTrackingScalingPolicyConfiguration.PredefinedMetricSpecification.PredefinedMetricType,
    );
    expect(metrics.sort()).toEqual(["ALBRequestCountPerTarget", "ECSServiceAverageCPUUtilization"]);
  });

  it("admits nobody unless told whom", () => {
    expect(clientsOf(made.plain)).toEqual([]);
    expect(clientsOf(made.secured)).toEqual([
      expect.objectContaining({ CidrIp: "203.0.113.7/32", FromPort: 443, ToPort: 443 }),
      expect.objectContaining({ CidrIp: "198.51.100.0/24", FromPort: 443, ToPort: 443 }),
    ]);
  });

  it("speaks HTTPS alone with a certificate, and warns without one", () => {
    const secured = made.secured.template("FargateStack");
    secured.resourceCountIs("AWS::ElasticLoadBalancingV2::Listener", 1);
    secured.hasResourceProperties("AWS::ElasticLoadBalancingV2::Listener", {
      Port: 443,
      Protocol: "HTTPS",
      Certificates: [{ CertificateArn: CERTIFICATE }],
      SslPolicy: Match.stringLikeRegexp("TLS13"),
    });
    secured.hasOutput("Url", { Value: "https://mcp.example.com/mcp" });
    expect(made.secured.messages).not.toContain("in the clear");
    template().hasResourceProperties("AWS::ElasticLoadBalancingV2::Listener", { Port: 80, Protocol: "HTTP" });
    expect(made.plain.messages).toContain("in the clear");
  });

  it("raises alarms for unhealthy tasks, 5xx, slow calls and the table", () => {
    const ids = Object.keys(template().findResources("AWS::CloudWatch::Alarm")).join(" ");
    for (const signal of ["UnhealthyTasks", "ServerErrors", "SlowCalls", "FailedCalls", "TableThrottles", "Refusals"]) {
      expect(ids).toContain(signal);
    }
    template().resourceCountIs("AWS::CloudWatch::Dashboard", 1);
  });
});
