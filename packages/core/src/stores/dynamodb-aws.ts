// What AWS's own configuration says of region, endpoint and credentials, read by the AWS SDK's packages for exactly that. Loaded
// lazily, as a module of ours: these packages are CommonJS, and a lazy import of one from a split bundle has no named exports.
import {
  type AccountIdEndpointMode,
  NODE_ACCOUNT_ID_ENDPOINT_MODE_CONFIG_OPTIONS,
} from "@aws-sdk/core/account-id-endpoint";
import { partition } from "@aws-sdk/core/client";
import { defaultProvider } from "@aws-sdk/credential-provider-node";
import {
  loadConfig,
  NODE_REGION_CONFIG_FILE_OPTIONS,
  NODE_REGION_CONFIG_OPTIONS,
  NODE_USE_DUALSTACK_ENDPOINT_CONFIG_OPTIONS,
  NODE_USE_FIPS_ENDPOINT_CONFIG_OPTIONS,
  resolveRegionConfig,
} from "@smithy/core/config";

export { defaultProvider, partition };

/** Region and endpoint as environment, profile and options say. */
export interface AwsConfiguration {
  readonly region: string;
  readonly fips: boolean;
  readonly dualStack: boolean;
  readonly accountIdMode: AccountIdEndpointMode;
  /** Configured in place of AWS's own. */
  readonly endpoint: string | undefined;
}

/** @throws Error when there is no region, or it is none. */
export async function readAwsConfiguration(given: { region?: string | undefined }): Promise<AwsConfiguration> {
  const { region, useFipsEndpoint } = resolveRegionConfig({
    region: given.region ?? loadConfig(NODE_REGION_CONFIG_OPTIONS, NODE_REGION_CONFIG_FILE_OPTIONS),
    useFipsEndpoint: loadConfig(NODE_USE_FIPS_ENDPOINT_CONFIG_OPTIONS),
  });
  const [where, fips, dualStack, accountIdMode, endpoint] = await Promise.all([
    region(),
    useFipsEndpoint(),
    loadConfig(NODE_USE_DUALSTACK_ENDPOINT_CONFIG_OPTIONS)(),
    loadConfig(NODE_ACCOUNT_ID_ENDPOINT_MODE_CONFIG_OPTIONS)(),
    configuredEndpoint(),
  ]);
  return { region: where, fips: fips === true, dualStack: dualStack === true, accountIdMode, endpoint };
}

async function configuredEndpoint(): Promise<string | undefined> {
  const ignored = await loadConfig<boolean>({
    environmentVariableSelector: (env) => env.AWS_IGNORE_CONFIGURED_ENDPOINT_URLS === "true" || undefined,
    configFileSelector: (profile) => profile.ignore_configured_endpoint_urls === "true" || undefined,
    default: false,
  })();
  if (ignored) return undefined;
  const found = await loadConfig<string>({
    environmentVariableSelector: (env) => env.AWS_ENDPOINT_URL_DYNAMODB || env.AWS_ENDPOINT_URL || undefined,
    configFileSelector: (profile, file) => {
      const services = profile.services ? file?.[`services.${profile.services}`] : undefined;
      return services?.["dynamodb.endpoint_url"] || profile.endpoint_url || undefined;
    },
    default: "",
  })();
  return found || undefined;
}
