// Turns a TypeScript entry into the code of a Lambda function: one minified file, without Docker. Knows no resources.
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join, resolve } from "node:path";
import {
  APP_MODULE,
  BLOBS_MODULE,
  ITEMS_MODULE,
  LAMBDA_BUNDLE,
  TASK_QUEUE_MODULE,
  TELEMETRY_PACKAGES,
  TRACING_MODULE,
} from "@stateful-mcp/adapters/lambda/bundle";
import { AssetHashType, DockerImage } from "aws-cdk-lib";
import { AssetCode } from "aws-cdk-lib/aws-lambda";
import { buildSync } from "esbuild";

type Resolve = (specifier: string) => string;

const own: Resolve = createRequire(import.meta.url).resolve;

/** The adapters of the entry's project, where it has them: then one core is in the bundle, the one that the project was tested with. */
function besides(entry: string): Resolve {
  const { resolve } = createRequire(entry);
  return (specifier) => {
    try {
      return resolve(specifier);
    } catch {
      return own(specifier);
    }
  };
}

/** Whether a bundler finds the package from this file. Node's own search would also look where NODE_PATH says. */
function isPresent(name: string, from: string): boolean {
  for (let folder = dirname(from); folder !== dirname(folder); folder = dirname(folder))
    if (existsSync(join(folder, "node_modules", name))) return true;
  return false;
}

const adapterFile = (
  resolve: Resolve,
  name: "server" | "task-worker" | "authorizer" | "oauth-authorizer" | "s3-blobs" | "no-items" | "sqs-tasks" | "xray",
): string => resolve(`@stateful-mcp/adapters/lambda/entries/${name}`);

export interface AppCodeOptions {
  /** File that exports `app`. Undefined: the ready server. */
  readonly entry: string | undefined;
  /** Whether there is a bucket for large values, whose client would otherwise only slow the start down. */
  readonly blobs: boolean;
  /** Whether the item tools have tables. Without them the AWS SDK's client, a fifth of the code, is left out. */
  readonly items: boolean;
  /** Whether it sends spans, for which it needs an OpenTelemetry SDK. */
  readonly traced: boolean;
}

/** `tasks`: whether a queue brings its tasks to a worker. */
export const serverCode = ({ tasks, ...options }: AppCodeOptions & { readonly tasks: boolean }): AssetCode =>
  appCode("server", options, (from) => tasks && { [TASK_QUEUE_MODULE]: adapterFile(from, "sqs-tasks") });

export const workerCode = (options: AppCodeOptions): AssetCode => appCode("task-worker", options);

/** A function that serves or works for an app. */
function appCode(
  name: "server" | "task-worker",
  { entry, blobs, items, traced }: AppCodeOptions,
  more: (from: Resolve) => Readonly<Record<string, string>> | false = () => false,
): AssetCode {
  const app = entry === undefined ? undefined : resolve(entry);
  const from = app === undefined ? own : besides(app);
  return functionCode(adapterFile(from, name), {
    ...(app !== undefined && { [APP_MODULE]: app }),
    ...(blobs && { [BLOBS_MODULE]: adapterFile(from, "s3-blobs") }),
    ...(traced && { [TRACING_MODULE]: tracingFile(from) }),
    ...(!items && { [ITEMS_MODULE]: adapterFile(from, "no-items") }),
    ...more(from),
  });
}

/** @throws TypeError where the project that the adapters are installed in has no SDK to bundle. */
function tracingFile(from: Resolve): string {
  const file = adapterFile(from, "xray");
  const missing = TELEMETRY_PACKAGES.filter((name) => !isPresent(name, file));
  if (missing.length === 0) return file;
  throw new TypeError(
    `tracing is "xray", and packages for it are missing; install them: npm install ${missing.join(" ")}`,
  );
}

export const authorizerCode = (name: "authorizer" | "oauth-authorizer"): AssetCode =>
  functionCode(adapterFile(own, name), {});

/** The file has to export `handler`; the function's handler is then `index.handler`. */
const functionCode = (file: string, alias: Readonly<Record<string, string>>): AssetCode =>
  new AssetCode(dirname(file), {
    assetHashType: AssetHashType.OUTPUT,
    bundling: {
      // Required by the type, never used: the local bundler succeeds or throws.
      image: DockerImage.fromRegistry("unused"),
      // Tells bundles from one folder apart.
      command: [basename(file), ...Object.values(alias)],
      local: {
        tryBundle: (folder) => {
          buildSync({
            ...LAMBDA_BUNDLE,
            // What the project has is bundled: its own tools may use it.
            external: LAMBDA_BUNDLE.external.filter((name) => !isPresent(name, file)),
            alias: { ...LAMBDA_BUNDLE.alias, ...alias },
            entryPoints: [file],
            outfile: join(folder, "index.mjs"),
            logLevel: "warning",
          });
          return true;
        },
      },
    },
  });
