// Who listens on a port that is taken, as far as its health route says. Sends no token and changes nothing.

const ANSWER_MS = 1_000;
const BODY_MAX_CHARACTERS = 10_000;

/** The service's name, when a server of this kind answers at the address; undefined for anything else. */
export async function serviceAt(host: string, port: number): Promise<string | undefined> {
  try {
    const response = await fetch(`http://${reachable(host)}:${port}/health`, {
      signal: AbortSignal.timeout(ANSWER_MS),
      redirect: "error",
    });
    const text = await response.text();
    if (text.length > BODY_MAX_CHARACTERS) return undefined;
    const { service, status, table } = JSON.parse(text) as Record<string, unknown>;
    const ours = typeof service === "string" && typeof status === "string" && typeof table === "string";
    return ours ? service : undefined;
  } catch {
    return undefined;
  }
}

/** A server on all addresses is reached by the one of this machine. */
export const reachable = (host: string): string => {
  if (host === "0.0.0.0") return "127.0.0.1";
  if (host === "::") return "[::1]";
  return host.includes(":") ? `[${host}]` : host;
};
