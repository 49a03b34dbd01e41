// What can be chosen about a server on Fargate. Makes nothing.
import type { ICertificate } from "aws-cdk-lib/aws-certificatemanager";
import type { IVpc } from "aws-cdk-lib/aws-ec2";
import type { ContainerImage, CpuArchitecture } from "aws-cdk-lib/aws-ecs";
import type { RetentionDays } from "aws-cdk-lib/aws-logs";
import type { AccessProps } from "./access.ts";
import { requireWhole } from "./checks.ts";
import type { EncryptionProps } from "./encryption.ts";
import type { FrontDoorProps } from "./front-door.ts";
import type { NetworkProps } from "./network.ts";
import type { IStateTable } from "./state-table.ts";
import type { TracingProps } from "./tracing.ts";

/** What `FargateMcpServer` runs, where, and for whom. */
export interface FargateMcpServerProps
  extends AccessProps,
    EncryptionProps,
    FrontDoorProps,
    NetworkProps,
    TracingProps {
  /** Where its state is. */
  readonly state: IStateTable;
  /**
   * An image whose process serves HTTP on PORT, answers `GET /healthz`, runs as any user, and ends within 60 s of SIGTERM.
   * @default the ready server, built from this repository's Dockerfile
   */
  readonly image?: ContainerImage;
  /**
   * Where to run. Tasks use the private subnets with a way out where there are any, else the public ones with a public address; with
   * `isolated` the isolated ones.
   * @default a new network of two public subnets, and with `isolated` two isolated ones, with endpoints for DynamoDB and S3
   */
  readonly vpc?: IVpc;
  /**
   * Whether the load balancer is reached only from inside the network, and from networks that are connected to it.
   * @default false: from the internet, by those in `allowedCidrs`
   */
  readonly internal?: boolean;
  /**
   * IPv4 networks that may connect, such as `203.0.113.0/24`.
   * @default none
   */
  readonly allowedCidrs?: readonly string[];
  /**
   * Certificate for HTTPS on port 443.
   * @default HTTP on port 80, with a warning: tokens then travel in the clear
   */
  readonly certificate?: ICertificate;
  /**
   * Name that the certificate covers and that clients use; its DNS record is made in `hostedZone`, or an alias of the load balancer
   * that is yours to make.
   * @default the load balancer's own name
   */
  readonly domainName?: string;
  /**
   * More environment variables for the process. Not for secrets: everybody who may look at the task reads them.
   * @default none
   */
  readonly environment?: Readonly<Record<string, string>>;
  /**
   * CPU units of a task; 1024 are one processor. One of 256, 512, 1024, 2048, 4096, 8192, 16384.
   * @default 256
   */
  readonly cpu?: number;
  /**
   * Memory of a task in MiB; has to fit `cpu`.
   * @default 512
   */
  readonly memoryMiB?: number;
  /**
   * Processor that tasks run on and that the image is for. ARM64 is a fifth cheaper; Docker builds for it on such a machine (a Mac with
   * Apple silicon, Graviton), and elsewhere through emulation, as Docker Desktop does.
   * @default x86_64, on every machine that deploys: else two people of one team would take turns in changing it
   */
  readonly cpuArchitecture?: CpuArchitecture;
  /**
   * Tasks that always run, at least 1.
   * @default 2
   */
  readonly minTasks?: number;
  /**
   * Tasks that run under load, at least `minTasks`.
   * @default 10
   */
  readonly maxTasks?: number;
  /**
   * Requests per minute that one task should take; with more, tasks are added.
   * @default 3000
   */
  readonly requestsPerTaskPerMinute?: number;
  /**
   * How long logs are kept.
   * @default one month
   */
  readonly logRetention?: RetentionDays;
}

/** What Fargate offers: for each number of CPU units the least and the most memory in MiB, and the step between. */
const SIZES: Readonly<Record<number, readonly [min: number, max: number, step: number]>> = {
  256: [512, 2_048, 512],
  512: [1_024, 4_096, 1_024],
  1024: [2_048, 8_192, 1_024],
  2048: [4_096, 16_384, 1_024],
  4096: [8_192, 30_720, 1_024],
  8192: [16_384, 61_440, 4_096],
  16384: [32_768, 122_880, 8_192],
};

/** @throws TypeError for a size that Fargate would refuse while it deploys. */
export function requireSize(cpu: number, memoryMiB: number): void {
  const size = SIZES[cpu];
  if (!size) throw new TypeError(`cpu is ${cpu}; give one of ${Object.keys(SIZES).join(", ")}`);
  const [min, max, step] = size;
  // A quarter of a processor has 512, 1024 and 2048, and nothing between the last two.
  const offered =
    memoryMiB >= min && memoryMiB <= max && memoryMiB % step === 0 && !(cpu === 256 && memoryMiB === 1_536);
  if (offered) return;
  const choice = cpu === 256 ? "512, 1024 or 2048" : `${min} to ${max} in steps of ${step}`;
  throw new TypeError(`memoryMiB is ${memoryMiB}; with cpu ${cpu} give ${choice}`);
}

/** @throws TypeError for numbers of tasks out of bounds. */
export function requireTasks(minTasks: number, maxTasks: number, requestsPerTaskPerMinute: number): void {
  requireWhole("minTasks", minTasks, 1, 1000);
  requireWhole("maxTasks", maxTasks, minTasks, 1000);
  requireWhole("requestsPerTaskPerMinute", requestsPerTaskPerMinute, 1, 1_000_000);
}
