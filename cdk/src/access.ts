// Who may call a deployed server: the holders of static tokens in Secrets Manager, or of tokens from an OAuth issuer.
import { type ISecret, Secret } from "aws-cdk-lib/aws-secretsmanager";
import type { Construct } from "constructs";
import { acknowledge } from "./checks.ts";
import type { EncryptionProps } from "./encryption.ts";

/** Who may call a server. */
export interface AccessProps {
  /**
   * Holds the bearer tokens in the form of MCP_AUTH_TOKEN: one token, or `name=<token>` pairs separated by commas.
   * @default a new secret with one random token, unless `oauthIssuer` is given
   */
  readonly tokens?: ISecret;
  /**
   * Accepts access tokens of this OAuth issuer instead of static ones: its https:// URL, exactly as its tokens name it.
   * Needs `oauthAudience` or `oauthClients`.
   * @default static tokens
   */
  readonly oauthIssuer?: string;
  /**
   * What the tokens' audience must contain, usually the server's public /mcp URL.
   * @default any audience, from the clients in `oauthClients`
   */
  readonly oauthAudience?: string;
  /**
   * Ids of the clients whose tokens are accepted.
   * @default any client, with the audience in `oauthAudience`
   */
  readonly oauthClients?: readonly string[];
}

/** How a server finds out who calls. */
export interface Access {
  /** Undefined: OAuth. */
  readonly tokens?: ISecret;
  /** What the process needs in its environment. Never a secret. */
  readonly environment: Readonly<Record<string, string>>;
}

const TOKEN_CHARACTERS = 43;

/** Checks the properties and makes the secret where one is needed. */
export function accessFor(scope: Construct, props: AccessProps & EncryptionProps): Access {
  const { oauthIssuer, oauthAudience, oauthClients = [] } = props;
  const limited = oauthAudience !== undefined || oauthClients.length > 0;
  if (oauthIssuer === undefined) {
    if (limited) throw new TypeError("oauthAudience and oauthClients belong to an oauthIssuer, which is missing");
    return { tokens: props.tokens ?? newTokens(scope, props), environment: {} };
  }
  if (!URL.canParse(oauthIssuer) || new URL(oauthIssuer).protocol !== "https:") {
    throw new TypeError(`oauthIssuer is ${JSON.stringify(oauthIssuer)}; give the issuer's https:// URL`);
  }
  if (!limited)
    throw new TypeError("oauthIssuer alone would accept every token it issues; add oauthAudience or oauthClients");
  if (props.tokens) throw new TypeError("tokens and oauthIssuer are both given; drop one of them");
  return {
    environment: {
      STATEFUL_MCP_OAUTH_ISSUER: oauthIssuer,
      ...(oauthAudience !== undefined && { STATEFUL_MCP_OAUTH_AUDIENCE: oauthAudience }),
      ...(oauthClients.length > 0 && { STATEFUL_MCP_OAUTH_CLIENTS: oauthClients.join(",") }),
    },
  };
}

function newTokens(scope: Construct, { encryptionKey }: EncryptionProps): Secret {
  const secret = new Secret(scope, "Tokens", {
    description: "Bearer tokens of the MCP server: one token, or name=<token> pairs separated by commas",
    ...(encryptionKey && { encryptionKey }),
    generateSecretString: { passwordLength: TOKEN_CHARACTERS, excludePunctuation: true },
  });
  acknowledge(secret, {
    SMG4: "Tokens are configured in clients by people; rotating them unasked would lock those out.",
  });
  return secret;
}
