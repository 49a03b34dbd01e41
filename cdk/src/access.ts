// Who may call a deployed server: the holders of static tokens in Secrets Manager, or of tokens from an OAuth issuer.
import { type ISecret, Secret } from "aws-cdk-lib/aws-secretsmanager";
import type { Construct } from "constructs";
import { acknowledge } from "./checks.ts";

export interface AccessProps {
  /**
   * Holds the bearer tokens in the form of MCP_AUTH_TOKEN: one token, or `name=<token>` pairs separated by commas.
   * @default a new secret with one random token, unless `oauthIssuer` is given
   */
  readonly tokens?: ISecret;
  /**
   * Accepts tokens of this OAuth issuer instead of static ones: an https:// URL. Needs `oauthAudience`.
   * @default static tokens
   */
  readonly oauthIssuer?: string;
  /**
   * The audience that the issuer's tokens must name.
   * @default static tokens
   */
  readonly oauthAudience?: string;
}

export interface Access {
  /** Undefined: OAuth. */
  readonly tokens?: ISecret;
  /** What the process needs in its environment. Never a secret. */
  readonly environment: Readonly<Record<string, string>>;
}

const TOKEN_CHARACTERS = 43;

/** Checks the properties and makes the secret where one is needed. */
export function accessFor(scope: Construct, props: AccessProps): Access {
  const { oauthIssuer, oauthAudience } = props;
  if (oauthIssuer === undefined && oauthAudience === undefined) {
    return { tokens: props.tokens ?? newTokens(scope), environment: {} };
  }
  if (oauthIssuer === undefined || oauthAudience === undefined) {
    const missing = oauthIssuer === undefined ? "oauthIssuer" : "oauthAudience";
    throw new TypeError(`OAuth needs oauthIssuer and oauthAudience; ${missing} is missing`);
  }
  if (!URL.canParse(oauthIssuer) || new URL(oauthIssuer).protocol !== "https:") {
    throw new TypeError(`oauthIssuer is ${JSON.stringify(oauthIssuer)}; give the issuer's https:// URL`);
  }
  if (props.tokens) throw new TypeError("tokens and oauthIssuer are both given; drop one of them");
  return { environment: { STATEFUL_MCP_OAUTH_ISSUER: oauthIssuer, STATEFUL_MCP_OAUTH_AUDIENCE: oauthAudience } };
}

function newTokens(scope: Construct): Secret {
  const secret = new Secret(scope, "Tokens", {
    description: "Bearer tokens of the MCP server: one token, or name=<token> pairs separated by commas",
    generateSecretString: { passwordLength: TOKEN_CHARACTERS, excludePunctuation: true },
  });
  acknowledge(secret, {
    SMG4: "Tokens are configured in clients by people; rotating them unasked would lock those out.",
  });
  return secret;
}
