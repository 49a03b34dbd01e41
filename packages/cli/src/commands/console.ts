// `console`: the console's pages for the one who runs the command, on this machine alone and on the configured backend; no server needs
// to run. Where that is a table, it is read and written with this user's own rights in AWS.
import { serve } from "@stateful-mcp/adapters/process";
import {
  type Access,
  createApp,
  LOCAL_PRINCIPAL,
  mintToken,
  parseTokens,
  tokenPrincipal,
} from "@stateful-mcp/core/runtime";
import { VERSION } from "../version.ts";
import { CONSOLE } from "./serve.ts";

/** Whose memory it shows: the one local user's, or that of a token's holder. */
export interface ConsoleOptions {
  port?: string;
  tokenName?: string;
  envFile?: string;
}

export const openConsole = ({ port = "0", tokenName, envFile }: ConsoleOptions): Promise<number> => {
  // Other users of this machine reach the port as well: the address holds what opens it.
  const token = mintToken();
  const minted = parseTokens(token);
  const principal = tokenName === undefined ? LOCAL_PRINCIPAL : tokenPrincipal(tokenName);
  const access: Access = {
    mode: "tokens",
    tokens: { find: async (given) => ((await minted.find(given)) ? principal : undefined) },
  };
  const app = { options: { version: VERSION, access }, with: createApp };
  return serve(app, {
    ...(envFile !== undefined && { envFile }),
    ...{ host: "127.0.0.1", port, console: CONSOLE },
    // Behind `#` it reaches no server and no log.
    opened: (url) => void process.stdout.write(`${url}#token=${token}\n`),
  });
};
