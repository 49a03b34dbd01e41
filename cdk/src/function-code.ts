// Turns a TypeScript entry into the code of a Lambda function: one minified file, without Docker. Knows no resources.
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { APP_MODULE, LAMBDA_BUNDLE } from "@stateful-mcp/adapters/bundle";
import { AssetHashType, DockerImage } from "aws-cdk-lib";
import { AssetCode } from "aws-cdk-lib/aws-lambda";
import { buildSync } from "esbuild";

const adapterEntry = (name: "server" | "authorizer"): string =>
  fileURLToPath(import.meta.resolve(`@stateful-mcp/adapters/functions/${name}`));

/** The server with the app that `entry` exports; without one, the ready server. */
export const serverCode = (entry?: string): AssetCode =>
  functionCode(adapterEntry("server"), entry === undefined ? {} : { [APP_MODULE]: resolve(entry) });

export const authorizerCode = (): AssetCode => functionCode(adapterEntry("authorizer"), {});

/** The file has to export `handler`; the function's handler is then `index.handler`. */
const functionCode = (file: string, alias: Readonly<Record<string, string>>): AssetCode =>
  new AssetCode(dirname(file), {
    assetHashType: AssetHashType.OUTPUT,
    bundling: {
      // Required by the type, never used: the local bundler succeeds or throws.
      image: DockerImage.fromRegistry("unused"),
      // Tells two bundles from one folder apart.
      command: [basename(file), ...Object.values(alias)],
      local: {
        tryBundle: (folder) => {
          buildSync({
            ...LAMBDA_BUNDLE,
            mainFields: [...LAMBDA_BUNDLE.mainFields],
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
