// What `-c name=value` and the context of cdk.json can say, checked. Knows no resources.
import type { Node } from "constructs";
import type { NamedItemTable } from "./item-tables.ts";

/** What a CDK app's context says, under the names and with the meanings of the table of settings in docs/deploy.md. */
export interface Settings {
  readonly name?: string;
  readonly existingTable?: string;
  readonly existingBucket?: string;
  readonly removeData: boolean;
  readonly blobs: boolean;
  readonly tasks: boolean;
  readonly tracing?: "off" | "xray";
  readonly allowedCidrs: readonly string[];
  readonly certificateArn?: string;
  readonly domainName?: string;
  readonly hostedZoneId?: string;
  readonly webAclArn?: string;
  readonly oauthIssuer?: string;
  readonly oauthAudience?: string;
  readonly oauthClients: readonly string[];
  readonly itemTables?: readonly NamedItemTable[];
  readonly alarmEmail?: string;
  readonly gatewayLogRole: boolean;
  readonly vpcId?: string;
  readonly availabilityZones?: readonly string[];
  readonly subnetIds?: readonly string[];
  readonly publicSubnetIds?: readonly string[];
  readonly isolated: boolean;
  readonly internal: boolean;
  readonly longestRequestSeconds?: number;
  readonly encryptionKeyArn?: string;
}

interface Setting {
  /** What is allowed, as it stands in the documentation and in errors. */
  readonly allowed: string;
  readonly description: string;
  readonly fits: RegExp;
}

const flag = (description: string): Setting => ({ allowed: "true or false", description, fits: /^(true|false)$/ });

const subnets = (description: string): Setting => ({
  allowed: "ids of subnets, separated by commas",
  description,
  fits: /^subnet-[0-9a-f]{8,17}(, ?subnet-[0-9a-f]{8,17})*$/,
});

/** One row per setting, in the order of the documentation. */
export const SETTINGS = {
  name: {
    allowed: "up to 30 letters, digits and hyphens, a letter first",
    description:
      "stands before the names of the stacks, `prod-LambdaStack`, so that one account holds [several deployments](#several-deployments)",
    fits: /^[A-Za-z][A-Za-z0-9-]{0,29}$/,
  },
  removeData: flag("`cdk destroy` also deletes the table and the bucket, with everything in them"),
  existingTable: {
    allowed: "a table name",
    description: "uses this table instead of making one",
    fits: /^[A-Za-z0-9_.-]{3,255}$/,
  },
  existingBucket: {
    allowed: "a bucket name",
    description: "uses this bucket for large values; only beside `existingTable`",
    fits: /^[a-z0-9.-]{3,63}$/,
  },
  blobs: flag("makes a bucket for values too large for the table"),
  tasks: flag("LambdaStack runs calls of tools defined with `task` as tasks, in a worker behind a queue"),
  tracing: {
    allowed: "`xray` or `off`",
    description: "`xray` sends a span for each call to CloudWatch ([Traces](#operate))",
    fits: /^(xray|off)$/,
  },
  oauthIssuer: {
    allowed: "an https:// URL",
    description: "accepts tokens of this OAuth issuer instead of static ones",
    fits: /^https:\/\/\S+$/,
  },
  oauthAudience: {
    allowed: "text without spaces",
    description: "what those tokens must name as their audience",
    fits: /^\S+$/,
  },
  oauthClients: {
    allowed: "client ids, separated by commas",
    description: "the clients whose tokens are accepted; needed where tokens have no audience (Amazon Cognito)",
    fits: /^\S+$/,
  },
  itemTables: {
    allowed: "names of tables, each with `:rw` where agents may write, separated by commas",
    description: "offers the item tools [on these tables of yours](#item-tools-on-tables-of-yours)",
    fits: /^[A-Za-z0-9_.-]{3,255}(:rw)?(, ?[A-Za-z0-9_.-]{3,255}(:rw)?)*$/,
  },
  alarmEmail: { allowed: "an e-mail address", description: "where alarms are sent", fits: /^\S+@\S+$/ },
  allowedCidr: {
    allowed: "IPv4 networks such as 203.0.113.7/32, separated by commas",
    description: "who may connect to the load balancer of FargateStack",
    fits: /^[\d./, ]+$/,
  },
  vpcId: {
    allowed: "the id of a VPC",
    description: "runs the servers [in this network](#a-network-of-your-own); needs `availabilityZones` and subnets",
    fits: /^vpc-[0-9a-f]{8,17}$/,
  },
  availabilityZones: {
    allowed: "two or more zones such as eu-central-1a, separated by commas",
    description: "the zones of the subnets, in their order",
    fits: /^[a-z0-9-]+(, ?[a-z0-9-]+)+$/,
  },
  subnetIds: subnets("private subnets for the servers, one for each zone"),
  publicSubnetIds: subnets("public subnets for the load balancer of FargateStack, one for each zone"),
  isolated: flag(
    "the servers' subnets have no way to the internet; AWS is reached through [endpoints](#a-network-of-your-own)",
  ),
  internal: flag("the load balancer of FargateStack is reached only from inside the network"),
  certificateArn: {
    allowed: "the ARN of a certificate",
    description: "HTTPS for FargateStack; for LambdaStack only together with `domainName`",
    fits: /^arn:[a-z-]+:acm:[a-z0-9-]+:\d{12}:certificate\/\S+$/,
  },
  domainName: {
    allowed: "a host name that the certificate covers",
    description:
      "the name under which clients reach the server; its DNS record is made in `hostedZoneId`, or yours to make",
    fits: /^[a-z0-9-]+(\.[a-z0-9-]+)+$/,
  },
  hostedZoneId: {
    allowed: "the id of a zone of Route 53",
    description: "makes the DNS record of `domainName` in this zone",
    fits: /^Z[A-Z0-9]{3,31}$/,
  },
  webAclArn: {
    allowed: "the ARN of a regional web ACL of AWS WAF",
    description: "looks at each request first, before the API of LambdaStack or the load balancer of FargateStack",
    fits: /^arn:[a-z-]+:wafv2:[a-z0-9-]+:\d{12}:regional\/webacl\/[\w-]+\/[0-9a-f-]+$/,
  },
  gatewayLogRole: flag("false where API Gateway's log role of this account and region is already set up"),
  longestRequestSeconds: {
    allowed: "a whole number from 30 to 900",
    description: "LambdaStack: how long one request lasts at most, streams included; 900 where it is not given",
    fits: /^\d{1,5}$/,
  },
  encryptionKeyArn: {
    allowed: "the ARN of a KMS key",
    description:
      "encrypts table, bucket, secret and logs with this key, which has to be in the same region and to [let CloudWatch Logs use it](#a-key-of-your-own)",
    fits: /^arn:[a-z-]+:kms:[a-z0-9-]+:\d{12}:key\/[0-9a-z-]{36}$/,
  },
} as const satisfies Record<string, Setting>;

type Name = keyof typeof SETTINGS;

/**
 * Reads the settings from a CDK app's context.
 * @throws TypeError that names the setting, its value and what is allowed, or the settings there are.
 */
export function readSettings(node: Node): Settings {
  const context: Readonly<Record<string, unknown>> = node.getAllContext();
  // What belongs to the CDK has a colon or a slash in its name.
  const unknown = Object.keys(context).find((key) => !/[:/@]/.test(key) && !Object.hasOwn(SETTINGS, key));
  if (unknown !== undefined) {
    throw new TypeError(`There is no setting ${unknown}. The settings are: ${Object.keys(SETTINGS).join(", ")}.`);
  }
  const text = (name: Name): string | undefined => {
    const given = context[name];
    if (given === undefined || given === "") return undefined;
    if (SETTINGS[name].fits.test(String(given))) return String(given);
    throw new TypeError(`${name} is ${JSON.stringify(given)}; expected ${SETTINGS[name].allowed}`);
  };
  const list = (name: Name): string[] =>
    text(name)
      ?.split(",")
      .map((part) => part.trim()) ?? [];
  const single = [
    "name",
    "existingTable",
    "existingBucket",
    "tracing",
    "oauthIssuer",
    "oauthAudience",
    "alarmEmail",
    "certificateArn",
    "domainName",
    "encryptionKeyArn",
    "vpcId",
    "hostedZoneId",
    "webAclArn",
  ] as const;
  const lists = (["availabilityZones", "subnetIds", "publicSubnetIds"] as const)
    .map((name) => [name, list(name)] as const)
    .filter(([, parts]) => parts.length > 0);
  const longest = text("longestRequestSeconds");
  const itemTables = list("itemTables").map((part): NamedItemTable => {
    const [name = "", mode] = part.split(":");
    return { name, write: mode === "rw" };
  });
  const twice = itemTables.find(({ name }, at) => itemTables.findIndex((one) => one.name === name) !== at);
  if (twice)
    throw new TypeError(
      `itemTables is ${JSON.stringify(text("itemTables"))}, which has ${twice.name} twice; name each table once`,
    );
  const settings: Settings = {
    ...Object.fromEntries(single.map((name) => [name, text(name)]).filter(([, value]) => value !== undefined)),
    ...Object.fromEntries(lists),
    isolated: text("isolated") === "true",
    internal: text("internal") === "true",
    removeData: text("removeData") === "true",
    blobs: text("blobs") === "true",
    tasks: text("tasks") === "true",
    gatewayLogRole: text("gatewayLogRole") !== "false",
    allowedCidrs: list("allowedCidr"),
    oauthClients: list("oauthClients"),
    ...(itemTables.length > 0 && { itemTables }),
    ...(longest !== undefined && { longestRequestSeconds: Number(longest) }),
  };
  requireConsistent(settings);
  return settings;
}

function requireNetwork({ vpcId, availabilityZones, internal, ...settings }: Settings): void {
  const given = { subnetIds: settings.subnetIds, publicSubnetIds: settings.publicSubnetIds };
  if (vpcId === undefined) {
    const [name] =
      Object.entries({ availabilityZones, ...given, ...(internal && { internal }) }).find(([, value]) => value) ?? [];
    if (name !== undefined) throw new TypeError(`${name} is about a network that exists; give its vpcId as well`);
    return;
  }
  if (!settings.subnetIds && !settings.publicSubnetIds)
    throw new TypeError(
      "vpcId is given without subnets; give subnetIds, publicSubnetIds or both, with availabilityZones",
    );
  if (settings.isolated && !settings.subnetIds)
    throw new TypeError("isolated is given without subnetIds; give the ids of the isolated subnets");
  for (const [name, ids] of Object.entries(given)) {
    if (!ids || ids.length === availabilityZones?.length) continue;
    throw new TypeError(
      `${name} has ${ids.length} subnets for ${availabilityZones?.length ?? 0} availabilityZones; give one for each zone`,
    );
  }
}

/** The id of a stack, with the deployment's name before it where there is one. */
export const stackId = ({ name }: Pick<Settings, "name">, id: string): string =>
  name === undefined ? id : `${name}-${id}`;

function requireConsistent(settings: Settings): void {
  const { existingTable, existingBucket, blobs, removeData, domainName, certificateArn } = settings;
  if (domainName !== undefined && certificateArn === undefined) {
    throw new TypeError("domainName is given without certificateArn; give the certificate for that name as well");
  }
  if (settings.hostedZoneId !== undefined && domainName === undefined)
    throw new TypeError("hostedZoneId is given without domainName; give the name that the record is for");
  requireNetwork(settings);
  if (existingTable === undefined) {
    if (existingBucket !== undefined)
      throw new TypeError("existingBucket is given without existingTable; give both, or blobs=true");
    return;
  }
  if (blobs) throw new TypeError("blobs makes a bucket beside a new table; with existingTable give existingBucket");
  if (removeData) throw new TypeError("removeData is about a table that is made here; drop it, or drop existingTable");
}
