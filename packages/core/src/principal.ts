// Who calls. A principal is a hash of issuer and subject, never of token bytes: a refreshed token keeps its sessions.
import { createHash } from "node:crypto";
import { AppError } from "./errors.ts";

/** The one who calls: every entry belongs to one principal. */
export interface Principal {
  /** 24 characters, part of every key: entries of another principal are keys that do not exist for this one. */
  readonly id: string;
  /** What a person reads in a note's provenance: a token's name, an OAuth subject, `local`, `anonymous`. */
  readonly subject: string;
  /** `anonymous` callers share one principal: only unguessable handles work for them and nothing can be listed. */
  readonly kind: "local" | "token" | "oauth" | "anonymous";
  /** Scopes granted to this caller; undefined: all. */
  readonly scopes?: readonly string[];
  /** By what an anonymous caller is counted: the network it calls from, as a hash. It is no identity and no part of any key of state. */
  readonly network?: string | undefined;
}

export function makePrincipal(
  kind: Principal["kind"],
  issuer: string,
  subject: string,
  scopes?: readonly string[],
): Principal {
  // The length keeps ("a", "bc") and ("ab", "c") apart.
  const hash = createHash("sha256").update(`${issuer.length}:${issuer}:${subject}`).digest("base64url").slice(0, 24);
  return { id: hash, subject, kind, ...(scopes && { scopes }) };
}

/** Everybody on this machine, where nothing is asked for: stdio, and HTTP on loopback without tokens. */
export const LOCAL_PRINCIPAL: Principal = makePrincipal("local", "stateful-mcp", "local");
export const ANONYMOUS_PRINCIPAL: Principal = makePrincipal("anonymous", "stateful-mcp", "anonymous");

/** What a caller's calls and streams are counted by; undefined for one who cannot be told from others at all. */
export const countedAs = ({ kind, id, network }: Principal): string | undefined =>
  kind === "anonymous" ? network : id;

/** What a caller's token must allow for everything that only reads. */
export const READ_SCOPE = "read";

/** The same for what changes something, unless a tool asks for another. */
export const WRITE_SCOPE = "write";

/** What a token must name for what concerns the server as a whole. One without scopes does not have it. */
export const OPERATE_SCOPE = "console:operate";

export const isGranted = ({ scopes }: Principal, scope: string): boolean => !scopes || scopes.includes(scope);

/** @throws AppError `forbidden` when the caller's scopes do not include the one a tool needs. */
export function authorize(principal: Principal, scope: string): void {
  if (isGranted(principal, scope)) return;
  throw new AppError("forbidden", `Your token does not have the scope ${scope}, which this tool needs.`, {
    details: { scope },
  });
}
