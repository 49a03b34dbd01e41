// Where a server runs: which subnets of which network, and how AWS is reached from there. Knows nothing of what runs in it.
import { Annotations } from "aws-cdk-lib";
import {
  GatewayVpcEndpoint,
  GatewayVpcEndpointAwsService,
  InterfaceVpcEndpoint,
  InterfaceVpcEndpointAwsService,
  type ISubnet,
  type IVpc,
  Peer,
  Port,
  SecurityGroup,
  SubnetType,
  Vpc,
} from "aws-cdk-lib/aws-ec2";
import type { Construct } from "constructs";
import { acknowledge } from "./checks.ts";

/** How a server reaches what is outside of its network. */
export interface NetworkProps {
  /**
   * Runs the server in subnets without a way to the internet, from which it reaches AWS through endpoints. Not with `oauthIssuer`, whose keys the
   * server fetches from the internet.
   * @default false: private subnets with a NAT gateway or another way out
   */
  readonly isolated?: boolean;
  /**
   * Makes the endpoints that `isolated` needs in the network, which must not have them yet. A `vpc` that was made elsewhere has to say its
   * subnets' route tables.
   * @default true for a network that is made here, false for `vpc`
   */
  readonly endpoints?: boolean;
}

/** A network that exists, by its ids. */
export interface NetworkIdsProps {
  /**
   * Id of a network that exists, in the stack's account and region; not beside `vpc`.
   * @default `vpc`, or what the server does without one
   */
  readonly vpcId?: string;
  /**
   * The zones of `subnetIds` and of `publicSubnetIds`, in their order.
   * @default none
   */
  readonly availabilityZones?: readonly string[];
  /**
   * Ids of the private subnets that the server runs in: with a way out, or without one where `isolated` is given.
   * @default none: a server on Fargate uses `publicSubnetIds`, and a function is in no network
   */
  readonly subnetIds?: readonly string[];
  /**
   * Ids of public subnets, for a load balancer that is not internal.
   * @default none
   */
  readonly publicSubnetIds?: readonly string[];
}

/** The network that a stack's properties mean, as a part of the properties of the constructs in it. */
export function vpcFor(
  scope: Construct,
  {
    vpc,
    vpcId,
    availabilityZones = [],
    subnetIds,
    publicSubnetIds,
    isolated,
  }: NetworkIdsProps & { vpc?: IVpc } & NetworkProps,
): { readonly vpc?: IVpc } {
  if (vpcId === undefined) return vpc ? { vpc } : {};
  if (vpc) throw new TypeError("vpc and vpcId are both given; drop one of them");
  return {
    vpc: Vpc.fromVpcAttributes(scope, "Network", {
      vpcId,
      availabilityZones: [...availabilityZones],
      ...(subnetIds && { [isolated ? "isolatedSubnetIds" : "privateSubnetIds"]: [...subnetIds] }),
      ...(publicSubnetIds && { publicSubnetIds: [...publicSubnetIds] }),
    }),
  };
}

/** Where a process runs. */
export interface Place {
  readonly vpc: IVpc;
  readonly subnets: readonly ISubnet[];
  /** Whether the subnets are public: without an address of its own a process then reaches nothing. */
  readonly isPublic: boolean;
  readonly securityGroup: SecurityGroup;
}

/** A network of two zones: public subnets alone, or isolated ones with those in front, which an internal load balancer does not need. */
export function newNetwork(scope: Construct, isolated: boolean, internal: boolean): Vpc {
  const isPublic = { name: "Public", subnetType: SubnetType.PUBLIC };
  const isIsolated = { name: "Isolated", subnetType: SubnetType.PRIVATE_ISOLATED };
  const vpc = new Vpc(scope, "Vpc", {
    maxAzs: 2,
    natGateways: 0,
    subnetConfiguration: isolated ? (internal ? [isIsolated] : [isPublic, isIsolated]) : [isPublic],
    // Isolated subnets get them together with the others.
    gatewayEndpoints: isolated
      ? {}
      : {
          DynamoDb: { service: GatewayVpcEndpointAwsService.DYNAMODB },
          S3: { service: GatewayVpcEndpointAwsService.S3 },
        },
    // Nothing uses that group, and emptying it takes a function of its own.
    restrictDefaultSecurityGroup: false,
  });
  acknowledge(vpc, {
    VPC7: "Only the load balancer and the tasks are in here, and the server logs every call. Flow logs can be added to the network.",
  });
  return vpc;
}

/** @throws TypeError when the network has no subnets from which a process of this kind reaches anything. */
export function placeIn(scope: Construct, id: string, vpc: IVpc, kind: "tasks" | "function", isolated: boolean): Place {
  // A function has no public address, not even in a public subnet.
  const open = vpc.privateSubnets.length > 0 || kind === "function" ? vpc.privateSubnets : vpc.publicSubnets;
  const subnets = isolated ? vpc.isolatedSubnets : open;
  if (subnets.length === 0)
    throw new TypeError(
      isolated
        ? "isolated is given, and the network has no isolated subnets; give a network that has them, or leave isolated out"
        : kind === "tasks"
          ? "The network has neither private subnets with a way out nor public ones, so tasks could not fetch their image; give a network that has them, or isolated: true with endpoints for AWS"
          : "The network has no private subnets with a way out, and a function in a public subnet reaches nothing; give a network that has them, or isolated: true with endpoints for AWS",
    );
  // AWS services and the state table are reached over HTTPS; nothing else is.
  const securityGroup = new SecurityGroup(scope, id, {
    vpc,
    description: kind === "tasks" ? "Tasks of the MCP server" : "Functions of the MCP server",
    allowAllOutbound: false,
  });
  securityGroup.addEgressRule(Peer.anyIpv4(), Port.tcp(443), "AWS services");
  return { vpc, subnets, isPublic: !isolated && subnets === vpc.publicSubnets, securityGroup };
}

/** What a process in isolated subnets asks AWS for, beside its table and its bucket. */
export const TASK_SERVICES = {
  EcrApi: InterfaceVpcEndpointAwsService.ECR,
  EcrDocker: InterfaceVpcEndpointAwsService.ECR_DOCKER,
  Logs: InterfaceVpcEndpointAwsService.CLOUDWATCH_LOGS,
  SecretsManager: InterfaceVpcEndpointAwsService.SECRETS_MANAGER,
};
export const FUNCTION_SERVICES = { Sqs: InterfaceVpcEndpointAwsService.SQS };
/** Beside those, where it sends spans. */
export const TRACING_SERVICES = { XRay: InterfaceVpcEndpointAwsService.XRAY };

/**
 * Endpoints for the table and the bucket, which cost nothing, and for these services, each of which costs for every hour and zone.
 * What needs them to start has to depend on what is returned.
 */
export function addEndpoints(
  scope: Construct,
  { vpc, subnets, securityGroup }: Place,
  services: Readonly<Record<string, InterfaceVpcEndpointAwsService>>,
): Construct[] {
  const stores = { DynamoDb: GatewayVpcEndpointAwsService.DYNAMODB, S3: GatewayVpcEndpointAwsService.S3 };
  const gateways = Object.entries(stores).map(
    ([id, service]) =>
      new GatewayVpcEndpoint(scope, `${id}Endpoint`, { vpc, service, subnets: [{ subnets: [...subnets] }] }),
  );
  const interfaces = Object.entries(services).map(([id, service]) => {
    const placed = { vpc, service, subnets: { subnets: [...subnets] }, open: false };
    const endpoint = new InterfaceVpcEndpoint(scope, `${id}Endpoint`, placed);
    endpoint.connections.allowDefaultPortFrom(securityGroup, "The MCP server");
    return endpoint;
  });
  return [...gateways, ...interfaces];
}

/** Said where the stack is deployed: an app may have another stack for which the same choice is right. */
export function requireIssuerInReach(scope: Construct, isolated: boolean, oauthIssuer: string | undefined): void {
  if (!isolated || oauthIssuer === undefined) return;
  Annotations.of(scope).addError(
    "isolated and oauthIssuer do not go together: the server fetches the issuer's keys, which subnets without a way out do not reach. Use subnets with a NAT gateway, or static tokens.",
  );
}

/** The subnets of a load balancer: those of the tasks for an internal one, else public ones, in two zones. */
export function balancerSubnets(scope: Construct, { vpc, subnets }: Place, internal: boolean): readonly ISubnet[] {
  const say = Annotations.of(scope);
  const chosen = internal ? subnets : vpc.publicSubnets;
  if (chosen.length === 0) {
    say.addError(
      "The load balancer is for the internet, and the network has no public subnets: name them (in the settings publicSubnetIds), or make the load balancer internal (internal=true).",
    );
    return subnets;
  }
  const zones = new Set(chosen.map(({ availabilityZone }) => availabilityZone));
  if (zones.size < 2)
    say.addError(`A load balancer needs subnets in two zones; those of this one are all in ${[...zones].join()}.`);
  return chosen;
}
