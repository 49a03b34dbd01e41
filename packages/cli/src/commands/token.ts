// `token`: mints one bearer token. Only the token itself goes to stdout, so that a script can take it from there.
import { AppError, mintToken } from "@stateful-mcp/core/runtime";
import { EXIT } from "../run.ts";

export async function token(name: string | undefined): Promise<number> {
  if (name !== undefined && !/^[A-Za-z0-9_-]{1,64}$/.test(name)) {
    throw new AppError(
      "invalid_input",
      `${JSON.stringify(name)} cannot name a token; use up to 64 letters, digits, "_", "-"`,
    );
  }
  const minted = mintToken();
  process.stdout.write(name === undefined ? `${minted}\n` : `${name}=${minted}\n`);
  process.stderr.write(
    name === undefined
      ? "Set MCP_AUTH_TOKEN to it; clients send it as: Authorization: Bearer <token>\n"
      : `Add it to MCP_AUTH_TOKEN, comma-separated; clients send what follows "${name}=" as: Authorization: Bearer <token>\n`,
  );
  return EXIT.done;
}
