// How a function's entry becomes the one file that Lambda loads: settings for esbuild.
import { createRequire } from "node:module";

/** The module that a bundle replaces, as an alias, by the user's own entry, which exports `app`. */
export const APP_MODULE = "@stateful-mcp/adapters/lambda/entries/app";

/** Replaced by `@stateful-mcp/adapters/lambda/entries/s3-blobs` where there is a bucket for large values. */
export const BLOBS_MODULE = "@stateful-mcp/adapters/lambda/entries/blobs";

/** Replaced by `@stateful-mcp/adapters/lambda/entries/no-items` where the item tools have no tables. */
export const ITEMS_MODULE = "@stateful-mcp/adapters/lambda/entries/items";

/** Replaced by `@stateful-mcp/adapters/lambda/entries/sqs-tasks` where a queue brings tasks to a worker. */
export const TASK_QUEUE_MODULE = "@stateful-mcp/adapters/lambda/entries/task-queue";

/** Replaced by `@stateful-mcp/adapters/lambda/entries/xray` where traces go to CloudWatch. */
export const TRACING_MODULE = "@stateful-mcp/adapters/lambda/entries/tracing";

const { resolve } = createRequire(import.meta.url);

/**
 * What a process needs that exports telemetry by itself: a function without traces never gets there, and most projects do not have them.
 * One whose own tools use some of them leaves those out of `external`.
 */
export const TELEMETRY_PACKAGES = [
  "@opentelemetry/context-async-hooks",
  "@opentelemetry/core",
  "@opentelemetry/exporter-metrics-otlp-http",
  "@opentelemetry/exporter-trace-otlp-http",
  "@opentelemetry/otlp-transformer",
  "@opentelemetry/resources",
  "@opentelemetry/sdk-metrics",
  "@opentelemetry/sdk-trace",
];

/** One minified ES module with everything in it: loading many small files is what makes a cold start slow. */
export const LAMBDA_BUNDLE = {
  bundle: true,
  format: "esm" as const,
  platform: "node" as const,
  target: "node24",
  minify: true,
  legalComments: "none" as const,
  // Packages that have ES modules beside CommonJS can be reduced to what is used of them.
  mainFields: ["module", "main"],
  // Together a third of the bundle, for cases that a function never meets.
  alias: {
    "@aws-sdk/credential-provider-node": resolve("@stateful-mcp/adapters/lambda/entries/credentials"),
    "@modelcontextprotocol/server/_shims": resolve("@stateful-mcp/adapters/lambda/entries/validator"),
  },
  // A bundler looks for all that is named, also for what it then leaves out.
  external: TELEMETRY_PACKAGES,
  // Some packages are CommonJS and ask for Node's own modules.
  banner: { js: 'import{createRequire}from"node:module";const require=createRequire(import.meta.url);' },
};
