// Turns a TypeScript entry into the code of a Lambda function: one minified file, without Docker. Knows no resources.
import { basename, dirname, join } from "node:path";
import { AssetHashType, DockerImage } from "aws-cdk-lib";
import { AssetCode } from "aws-cdk-lib/aws-lambda";
import { buildSync } from "esbuild";

/** The file has to export `handler`; the function's handler is then `index.handler`. */
export const functionCode = (entry: string): AssetCode =>
  new AssetCode(dirname(entry), {
    assetHashType: AssetHashType.OUTPUT,
    bundling: {
      // Required by the type, never used: the local bundler succeeds or throws.
      image: DockerImage.fromRegistry("unused"),
      // Tells two entries of one folder apart.
      command: [basename(entry)],
      local: {
        tryBundle: (folder) => {
          bundle(entry, join(folder, "index.mjs"));
          return true;
        },
      },
    },
  });

function bundle(entry: string, outfile: string): void {
  buildSync({
    entryPoints: [entry],
    outfile,
    bundle: true,
    minify: true,
    format: "esm",
    platform: "node",
    target: "node24",
    mainFields: ["module", "main"],
    legalComments: "none",
    // Some bundled packages are CommonJS and ask for Node's own modules.
    banner: {
      js: 'import{createRequire as __createRequire}from"node:module";const require=__createRequire(import.meta.url);',
    },
    logLevel: "warning",
  });
}
