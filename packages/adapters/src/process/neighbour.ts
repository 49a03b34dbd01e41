// What listens on a port that is taken, as far as it says so itself: any user of this machine may have taken the port, and may say the same.
// Sends no token and changes nothing.

const ANSWER_MS = 5_000;
const BODY_MAX_CHARACTERS = 10_000;

/** Whether what listens at the address says that it is the app of this name. That is no proof: a person has to know what they started. */
export async function saysItIs(name: string, host: string, port: number): Promise<boolean> {
  try {
    const response = await fetch(`http://${reachable(host)}:${port}/health`, {
      signal: AbortSignal.timeout(ANSWER_MS),
      redirect: "error",
    });
    const { service, status, table } = JSON.parse(await textOf(response)) as Record<string, unknown>;
    return service === name && typeof status === "string" && typeof table === "string";
  } catch {
    return false;
  }
}

/** What is said of it: no more than is known. */
export const inUse = (name: string, host: string, port: number): string =>
  `Port ${port} on ${host} is in use by a program that says that it is ${name}: use http://${reachable(host)}:${port}/mcp if you started it`;

/** @throws RangeError for more than such an answer has: it would be read for as long as it comes. */
async function textOf(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > BODY_MAX_CHARACTERS) throw new RangeError("too long");
  }
  return text;
}

/** A server on all addresses is reached by the one of this machine. */
export const reachable = (host: string): string => {
  if (host === "0.0.0.0") return "127.0.0.1";
  if (host === "::") return "[::1]";
  return host.includes(":") ? `[${host}]` : host;
};
