// The MCP server as containers on AWS Fargate behind a load balancer. Knows how the process is run and reached, not what it does.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Annotations, Duration, RemovalPolicy, Stack } from "aws-cdk-lib";
import type { ICertificate } from "aws-cdk-lib/aws-certificatemanager";
import { type IVpc, Peer, Port } from "aws-cdk-lib/aws-ec2";
import { Platform } from "aws-cdk-lib/aws-ecr-assets";
import {
  AwsLogDriverMode,
  Cluster,
  ContainerImage,
  CpuArchitecture,
  FargateService,
  FargateTaskDefinition,
  LogDrivers,
  Secret as TaskSecret,
} from "aws-cdk-lib/aws-ecs";
import {
  ApplicationListener,
  ApplicationLoadBalancer,
  ApplicationProtocol,
  type ApplicationTargetGroup,
  HttpCodeTarget,
  SslPolicy,
  TargetGroupLoadBalancingAlgorithmType,
} from "aws-cdk-lib/aws-elasticloadbalancingv2";
import type { IGrantable, IPrincipal } from "aws-cdk-lib/aws-iam";
import { LogGroup, RetentionDays } from "aws-cdk-lib/aws-logs";
import { LoadBalancerTarget } from "aws-cdk-lib/aws-route53-targets";
import { type ISecret, Secret } from "aws-cdk-lib/aws-secretsmanager";
import { Construct } from "constructs";
import { type Access, accessFor } from "./access.ts";
import { acknowledge } from "./checks.ts";
import { allowLogs, grantThrough } from "./encryption.ts";
import { type FargateMcpServerProps, requireSize, requireTasks } from "./fargate-server-props.ts";
import { addRecord, addWebAcl } from "./front-door.ts";
import type { MonitoredServer, Signal } from "./monitoring.ts";
import {
  addEndpoints,
  balancerSubnets,
  newNetwork,
  type Place,
  placeIn,
  requireIssuerInReach,
  TASK_SERVICES,
  TRACING_SERVICES,
} from "./network.ts";
import { grantSpans, tracingFor } from "./tracing.ts";

const PORT = 3333;
const HEALTH_PATH = "/healthz";
/** Above the 15 s between a silent stream's keep-alive comments, below the 65 s for which the server keeps idle connections. */
const IDLE_TIMEOUT = Duration.seconds(60);
/** The server drains for up to 25 s after SIGTERM. */
const STOP_TIMEOUT = Duration.seconds(60);
const DEREGISTRATION_DELAY = Duration.seconds(30);
const TARGET_CPU_PERCENT = 60;
const IPV4_NETWORK = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/;

/**
 * An MCP server as tasks on Fargate behind a load balancer, with exactly the permissions that serving needs.
 * @throws TypeError when a property is out of bounds or does not fit another.
 */
export class FargateMcpServer extends Construct implements IGrantable, MonitoredServer {
  readonly vpc: IVpc;
  readonly service: FargateService;
  readonly loadBalancer: ApplicationLoadBalancer;
  readonly targetGroup: ApplicationTargetGroup;
  readonly logGroup: LogGroup;
  /** Undefined with OAuth. */
  readonly tokens?: ISecret;
  readonly access: Access;
  /** Where clients connect. */
  readonly url: string;
  /** What the DNS record of a name of your own has to point to. */
  readonly dnsTarget: string;
  readonly grantPrincipal: IPrincipal;
  readonly signals: readonly Signal[];

  constructor(scope: Construct, id: string, props: FargateMcpServerProps) {
    super(scope, id);
    const {
      allowedCidrs = [],
      minTasks = 2,
      maxTasks = Math.max(10, minTasks),
      requestsPerTaskPerMinute = 3000,
      isolated = false,
      internal = false,
      endpoints = isolated && !props.vpc,
    } = props;
    for (const cidr of allowedCidrs) requireIpv4Network(cidr);
    requireTasks(minTasks, maxTasks, requestsPerTaskPerMinute);
    this.access = accessFor(this, props);
    if (this.access.tokens) this.tokens = this.access.tokens;
    requireIssuerInReach(this, isolated, props.oauthIssuer);
    this.vpc = props.vpc ?? newNetwork(this, isolated, internal);
    if (props.encryptionKey) allowLogs(this, props.encryptionKey);
    this.logGroup = new LogGroup(this, "Log", {
      ...(props.encryptionKey && { encryptionKey: props.encryptionKey }),
      retention: props.logRetention ?? RetentionDays.ONE_MONTH,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const task = this.#task(props);
    this.grantPrincipal = task.taskRole;
    props.state.grantServe(this);
    const place = placeIn(this, "TaskSecurityGroup", this.vpc, "tasks", isolated);
    this.service = this.#service(task, place);
    // Without them a task finds neither its image nor its token, and the deployment would be rolled back.
    const services = { ...TASK_SERVICES, ...(props.tracing === "xray" && TRACING_SERVICES) };
    if (endpoints) this.service.node.addDependency(...addEndpoints(this, place, services));
    this.loadBalancer = this.#loadBalancer(place, internal);
    const listener = this.#listener(props.certificate, allowedCidrs);
    this.targetGroup = this.#targets(listener);
    this.#scale(minTasks, maxTasks, requestsPerTaskPerMinute);
    addRecord(this, props, () => new LoadBalancerTarget(this.loadBalancer));
    addWebAcl(this, props, this.loadBalancer.loadBalancerArn);
    this.dnsTarget = this.loadBalancer.loadBalancerDnsName;
    this.url = `${props.certificate ? "https" : "http"}://${props.domainName ?? this.dnsTarget}/mcp`;
    this.signals = this.#signals();
  }

  #task(props: FargateMcpServerProps): FargateTaskDefinition {
    const { cpu = 256, memoryMiB = 512, cpuArchitecture = CpuArchitecture.X86_64 } = props;
    requireSize(cpu, memoryMiB);
    const tracing = tracingFor(this, props);
    const task = new FargateTaskDefinition(this, "Task", {
      cpu,
      memoryLimitMiB: memoryMiB,
      runtimePlatform: { cpuArchitecture },
    });
    task.addContainer("Server", {
      image: props.image ?? readyServer(cpuArchitecture),
      portMappings: [{ containerPort: PORT }],
      environment: {
        HOST: "0.0.0.0",
        PORT: String(PORT),
        ENVIRONMENT: "production",
        AWS_REGION: Stack.of(this).region,
        ...props.state.environment,
        ...this.access.environment,
        ...tracing,
        ...props.environment,
      },
      ...(this.tokens && { secrets: { MCP_AUTH_TOKEN: this.#injected(this.tokens, task) } }),
      logging: LogDrivers.awsLogs({
        logGroup: this.logGroup,
        streamPrefix: "server",
        mode: AwsLogDriverMode.NON_BLOCKING,
      }),
      readonlyRootFilesystem: true,
      user: "1000",
      stopTimeout: STOP_TIMEOUT,
    });
    if (tracing) grantSpans(task.taskRole);
    acknowledge(task, {
      ECS2: "These variables are settings. The token comes from Secrets Manager.",
      "IAM5[Resource::*]": "ecr:GetAuthorizationToken knows no resource.",
    });
    return task;
  }

  /** The right to a secret's key is the role's own: written into the key's policy, it would tie the key's stack to this one. */
  #injected(tokens: ISecret, task: FargateTaskDefinition): TaskSecret {
    const { encryptionKey, secretArn } = tokens;
    if (!encryptionKey) return TaskSecret.fromSecretsManager(tokens);
    grantThrough(encryptionKey, task.obtainExecutionRole(), ["secretsmanager"]);
    return TaskSecret.fromSecretsManager(Secret.fromSecretCompleteArn(this, "InjectedTokens", secretArn));
  }

  #service(taskDefinition: FargateTaskDefinition, { subnets, isPublic, securityGroup }: Place): FargateService {
    const cluster = new Cluster(this, "Cluster", { vpc: this.vpc });
    acknowledge(cluster, {
      ECS4: "Alarms use metrics that come without it; Container Insights can be turned on for the cluster.",
    });
    return new FargateService(this, "Service", {
      cluster,
      taskDefinition,
      securityGroups: [securityGroup],
      vpcSubnets: { subnets: [...subnets] },
      // Without a way out of its own, a task fetches its image through this address. Only the load balancer may connect to it.
      assignPublicIp: isPublic,
      minHealthyPercent: 100,
      maxHealthyPercent: 200,
      circuitBreaker: { rollback: true },
      healthCheckGracePeriod: Duration.seconds(30),
    });
  }

  #loadBalancer(place: Place, internal: boolean): ApplicationLoadBalancer {
    const loadBalancer = new ApplicationLoadBalancer(this, "LoadBalancer", {
      vpc: this.vpc,
      vpcSubnets: { subnets: [...balancerSubnets(this, place, internal)] },
      internetFacing: !internal,
      idleTimeout: IDLE_TIMEOUT,
      dropInvalidHeaderFields: true,
    });
    acknowledge(loadBalancer, {
      ELB2: "The server logs every call. Access logs can be turned on for the load balancer.",
      EC23: "Open to the networks that were asked for, and every route needs a token.",
    });
    return loadBalancer;
  }

  #listener(certificate: ICertificate | undefined, allowedCidrs: readonly string[]): ApplicationListener {
    const port = certificate ? 443 : 80;
    const listener = new ApplicationListener(this, "Listener", {
      loadBalancer: this.loadBalancer,
      port,
      protocol: certificate ? ApplicationProtocol.HTTPS : ApplicationProtocol.HTTP,
      ...(certificate && { certificates: [certificate], sslPolicy: SslPolicy.RECOMMENDED_TLS }),
      open: false,
    });
    for (const cidr of allowedCidrs) listener.connections.allowFrom(Peer.ipv4(cidr), Port.tcp(port), "Clients");
    const say = Annotations.of(this);
    if (allowedCidrs.length === 0) {
      say.addInfo(
        "Nobody can connect yet: name the networks of your clients in allowedCidrs (-c allowedCidr=203.0.113.7/32).",
      );
    }
    if (!certificate) {
      say.addWarningV2(
        "@stateful-mcp/cdk:http",
        "There is no certificate, so tokens and data travel to the load balancer in the clear: give one (-c certificateArn=arn:aws:acm:…) before this is used for more than a trial.",
      );
    }
    return listener;
  }

  #targets(listener: ApplicationListener): ApplicationTargetGroup {
    return listener.addTargets("Tasks", {
      port: PORT,
      protocol: ApplicationProtocol.HTTP,
      targets: [this.service],
      // Any task serves any session, so nothing sticks; streams last long, so the least busy task gets the next request.
      loadBalancingAlgorithmType: TargetGroupLoadBalancingAlgorithmType.LEAST_OUTSTANDING_REQUESTS,
      deregistrationDelay: DEREGISTRATION_DELAY,
      healthCheck: {
        path: HEALTH_PATH,
        healthyHttpCodes: "200",
        interval: Duration.seconds(10),
        timeout: Duration.seconds(5),
        healthyThresholdCount: 2,
        unhealthyThresholdCount: 3,
      },
    });
  }

  #scale(minCapacity: number, maxCapacity: number, requestsPerTarget: number): void {
    const scaling = this.service.autoScaleTaskCount({ minCapacity, maxCapacity });
    scaling.scaleOnCpuUtilization("Cpu", { targetUtilizationPercent: TARGET_CPU_PERCENT });
    scaling.scaleOnRequestCount("Requests", { requestsPerTarget, targetGroup: this.targetGroup });
  }

  #signals(): Signal[] {
    const period = Duration.minutes(5);
    const { metrics } = this.targetGroup;
    return [
      {
        id: "UnhealthyTasks",
        title: "Tasks that do not answer health checks",
        metric: metrics.unhealthyHostCount({ period, statistic: "Maximum" }),
        alarmAbove: 0,
        advice: "Look at the service's events and at why tasks stopped.",
      },
      {
        id: "ServerErrors",
        title: "Answers with 5xx",
        metric: metrics.httpCodeTarget(HttpCodeTarget.TARGET_5XX_COUNT, { period }),
        alarmAbove: 0,
        advice: "Look for level error in the server's log.",
      },
      {
        id: "Slow",
        title: "99th percentile until an answer begins, in seconds",
        metric: metrics.targetResponseTime({ period, statistic: "p99" }),
      },
      {
        id: "Cpu",
        title: "Processor use of the tasks, in percent",
        metric: this.service.metricCpuUtilization({ period, statistic: "Maximum" }),
        alarmAbove: 90,
        advice: "Give tasks more CPU, or raise maxTasks.",
      },
      {
        id: "Memory",
        title: "Memory use of the tasks, in percent",
        metric: this.service.metricMemoryUtilization({ period, statistic: "Maximum" }),
        alarmAbove: 90,
        advice: "Give tasks more memory.",
      },
      { id: "Requests", title: "Requests", metric: metrics.requestCount({ period }) },
    ];
  }
}

/** The checkout this file belongs to; a published package has none. */
const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));
const DOCKERFILE = "packages/cli/Dockerfile";

function readyServer(architecture: CpuArchitecture): ContainerImage {
  if (!existsSync(join(REPOSITORY, DOCKERFILE))) {
    throw new TypeError("There is no Dockerfile beside this package; give the image to run as `image`");
  }
  return ContainerImage.fromAsset(REPOSITORY, {
    file: DOCKERFILE,
    platform: architecture === CpuArchitecture.ARM64 ? Platform.LINUX_ARM64 : Platform.LINUX_AMD64,
  });
}

function requireIpv4Network(cidr: string): void {
  const parts = IPV4_NETWORK.exec(cidr)?.slice(1).map(Number);
  if (parts?.every((part, at) => part <= (at === 4 ? 32 : 255))) return;
  throw new TypeError(`${JSON.stringify(cidr)} is not an IPv4 network; give one such as 203.0.113.7/32`);
}
