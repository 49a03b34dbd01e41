// Turns a TypeScript entry into the code of a Lambda function: one minified file, without Docker. Knows no resources.
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { APP_MODULE, BLOBS_MODULE, LAMBDA_BUNDLE } from "@stateful-mcp/adapters/bundle";
import { AssetHashType, DockerImage } from "aws-cdk-lib";
import { AssetCode } from "aws-cdk-lib/aws-lambda";
import { buildSync } from "esbuild";

const adapterFile = (name: "server" | "authorizer" | "s3-blobs"): string =>
  fileURLToPath(import.meta.resolve(`@stateful-mcp/adapters/functions/${name}`));

export interface ServerCodeOptions {
  /** File that exports `app`. Undefined: the ready server. */
  readonly entry: string | undefined;
  /** Whether there is a bucket for large values, whose client would otherwise only slow the start down. */
  readonly blobs: boolean;
}

export const serverCode = ({ entry, blobs }: ServerCodeOptions): AssetCode =>
  functionCode(adapterFile("server"), {
    ...(entry !== undefined && { [APP_MODULE]: resolve(entry) }),
    ...(blobs && { [BLOBS_MODULE]: adapterFile("s3-blobs") }),
  });

export const authorizerCode = (): AssetCode => functionCode(adapterFile("authorizer"), {});

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
