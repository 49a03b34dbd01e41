// Networks of one's own under the constructs: what they get, and what cannot work.
import { App, Stack } from "aws-cdk-lib";
import { Annotations, Match, Template } from "aws-cdk-lib/assertions";
import { type IVpc, SubnetType, Vpc, type VpcAttributes } from "aws-cdk-lib/aws-ec2";
import { ContainerImage } from "aws-cdk-lib/aws-ecs";
import { expect, it } from "vitest";
import { FargateMcpServer, type FargateMcpServerProps, LambdaMcpServer, StateTable } from "../src/index.ts";

const newStack = () => new Stack(new App({ context: { "aws:cdk:bundling-stacks": [] } }), "Own");
const stateIn = (stack: Stack) => StateTable.fromNames(stack, "State", { tableName: "table" });
const networkOf = (stack: Stack, subnetType: SubnetType): IVpc =>
  new Vpc(stack, "Vpc", { maxAzs: 2, natGateways: 0, subnetConfiguration: [{ name: "Only", subnetType }] });

function fargateIn(stack: Stack, vpc: IVpc, props: Partial<FargateMcpServerProps> = {}): FargateMcpServer {
  const image = ContainerImage.fromRegistry("example.com/tools:1");
  return new FargateMcpServer(stack, "Server", { state: stateIn(stack), image, vpc, ...props });
}

it("isolated subnets of a function get the endpoints that it needs, when told so", () => {
  const stack = newStack();
  const vpc = networkOf(stack, SubnetType.PRIVATE_ISOLATED);
  new LambdaMcpServer(stack, "Server", { state: stateIn(stack), vpc, isolated: true, endpoints: true, tasks: true });
  const template = Template.fromStack(stack);
  const endpoints = Object.values(template.findResources("AWS::EC2::VPCEndpoint"));
  const types = endpoints.map(({ Properties }) => Properties.VpcEndpointType);
  expect(types.sort()).toEqual(["Gateway", "Gateway", "Interface"]);
  template.hasResourceProperties("AWS::EC2::VPCEndpoint", {
    VpcEndpointType: "Interface",
    ServiceName: { "Fn::Join": ["", ["com.amazonaws.", { Ref: "AWS::Region" }, ".sqs"]] },
    PrivateDnsEnabled: true,
  });
});

it("isolated subnets of tasks get theirs in a network of one's own, too, and the load balancer stays inside", () => {
  const stack = newStack();
  fargateIn(stack, networkOf(stack, SubnetType.PRIVATE_ISOLATED), { isolated: true, endpoints: true, internal: true });
  const template = Template.fromStack(stack);
  template.resourcePropertiesCountIs("AWS::EC2::VPCEndpoint", { VpcEndpointType: "Gateway" }, 2);
  template.resourcePropertiesCountIs("AWS::EC2::VPCEndpoint", { VpcEndpointType: "Interface" }, 4);
  template.hasResourceProperties("AWS::ElasticLoadBalancingV2::LoadBalancer", { Scheme: "internal" });
  Annotations.fromStack(stack).hasNoError("*", Match.anyValue());
});

it.each([
  [SubnetType.PUBLIC, false, "a function in a public subnet reaches nothing"],
  [SubnetType.PUBLIC, true, "the network has no isolated subnets"],
  [SubnetType.PRIVATE_ISOLATED, false, "no private subnets with a way out"],
] as const)("a function is refused in a network of %s subnets alone (isolated: %s)", (subnetType, isolated, said) => {
  const stack = newStack();
  const vpc = networkOf(stack, subnetType);
  expect(() => new LambdaMcpServer(stack, "Server", { state: stateIn(stack), vpc, isolated })).toThrow(said);
});

it("tasks are refused in a network from which they could not fetch their image", () => {
  const stack = newStack();
  const vpc = networkOf(stack, SubnetType.PRIVATE_ISOLATED);
  expect(() => fargateIn(stack, vpc)).toThrow("isolated: true with endpoints for AWS");
});

const TWO_ZONES = {
  vpcId: "vpc-0a1b2c3d",
  availabilityZones: ["eu-central-1a", "eu-central-1b"],
  privateSubnetIds: ["subnet-000000a1", "subnet-000000a2"],
};
const ONE_ZONE = {
  vpcId: "vpc-0a1b2c3d",
  availabilityZones: ["eu-central-1a"],
  privateSubnetIds: ["subnet-000000a1"],
};
const ISOLATED = {
  vpcId: "vpc-0a1b2c3d",
  availabilityZones: ["eu-central-1a", "eu-central-1b"],
  isolatedSubnetIds: ["subnet-000000a1", "subnet-000000a2"],
};
const OAUTH = { oauthIssuer: "https://issuer.example", oauthAudience: "mcp" };

it.each<[string, VpcAttributes, Partial<FargateMcpServerProps>]>([
  ["the network has no public subnets", TWO_ZONES, {}],
  ["in two zones; those of this one are all in eu-central-1a", ONE_ZONE, { internal: true }],
  ["isolated and oauthIssuer do not go together", ISOLATED, { internal: true, isolated: true, ...OAUTH }],
])("what cannot work is an error of the stack that is deployed: %s", (said, network, props) => {
  const stack = newStack();
  fargateIn(stack, Vpc.fromVpcAttributes(stack, "Network", network), props);
  Annotations.fromStack(stack).hasError("*", Match.stringLikeRegexp(said));
});
