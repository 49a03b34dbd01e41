// Synthesizes the app of bin/ with context, as `cdk synth -c …` does, without the command line.
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Template } from "aws-cdk-lib/assertions";
import { vi } from "vitest";

export const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));

export type StackName = `${"" | "prod-"}${"StateStack" | "LambdaStack" | "FargateStack"}`;

export interface Synthesis {
  /** The cloud assembly. */
  readonly folder: string;
  readonly stacks: readonly string[];
  template(stack: StackName): Template;
  /** What was said about constructs: warnings and the like. */
  readonly messages: string;
}

interface Manifest {
  readonly artifacts: Readonly<Record<string, { readonly type: string }>>;
}

/** @throws what the app throws, when it refuses. */
export async function synthesize(context: Readonly<Record<string, unknown>> = {}): Promise<Synthesis> {
  const folder = mkdtempSync(join(tmpdir(), "cdk-"));
  const { context: own } = JSON.parse(readFileSync(join(REPOSITORY, "cdk.json"), "utf8"));
  // What the command line tells an app.
  vi.stubEnv("CDK_OUTDIR", folder);
  vi.stubEnv("CDK_CONTEXT_JSON", JSON.stringify({ ...own, ...context }));
  vi.resetModules();
  try {
    await import("../../bin/app.ts");
  } finally {
    vi.unstubAllEnvs();
  }
  const { artifacts }: Manifest = JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8"));
  const stacks = Object.keys(artifacts).filter((id) => artifacts[id]?.type === "aws:cloudformation:stack");
  const read = (name: string) => readFileSync(join(folder, name), "utf8");
  return {
    folder,
    stacks,
    template: (stack) => Template.fromJSON(JSON.parse(read(`${stack}.template.json`))),
    messages: stacks.map((id) => read(`${id}.metadata.json`)).join(""),
  };
}

/** The template without what changes with every line of code: the hashes of assets, and of the deployment that depends on them. */
export function stable(template: Template): string {
  return JSON.stringify(template.toJSON(), null, 2)
    .replace(/[0-9a-f]{64}/g, "<asset>")
    .replace(/(Deployment[0-9A-F]{8})[0-9a-f]{32}/g, "$1<hash>");
}
