// What a synthesis would deploy as Lambda functions: their code on disk, their handler, their environment. Starts nothing.
import { join } from "node:path";
import type { Template } from "aws-cdk-lib/assertions";

export interface DeployedFunction {
  /** The folder that would be uploaded. */
  readonly folder: string;
  /** `file.export` in it. */
  readonly handler: string;
  /** Without what only a deployment knows, such as the name of a new table. */
  readonly environment: Readonly<Record<string, string>>;
}

interface FunctionResource {
  readonly Properties: {
    readonly Description: string;
    readonly Handler: string;
    readonly Code: { readonly S3Key: string };
    readonly Environment: { readonly Variables: Readonly<Record<string, unknown>> };
  };
}

/** By their descriptions. */
export function functionsOf(assembly: string, template: Template): ReadonlyMap<string, DeployedFunction> {
  const resources = Object.values(template.findResources("AWS::Lambda::Function")) as FunctionResource[];
  return new Map(
    resources.map(({ Properties: { Description, Handler, Code, Environment } }) => [
      Description,
      {
        folder: join(assembly, `asset.${Code.S3Key.replace(/\.zip$/, "")}`),
        handler: Handler,
        environment: Object.fromEntries(
          Object.entries(Environment.Variables).filter(
            (entry): entry is [string, string] => typeof entry[1] === "string",
          ),
        ),
      },
    ]),
  );
}
