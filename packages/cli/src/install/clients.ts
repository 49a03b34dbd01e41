// Where each MCP client keeps its configuration, and the form in which it wants a server. Touches no file.
import { posix, win32 } from "node:path";

import { entryNameOf, READY_SERVER } from "@stateful-mcp/core/runtime";

export const CLIENTS = ["claude", "claude-code", "cursor", "vscode", "cline", "gemini", "goose"] as const;
export type ClientName = (typeof CLIENTS)[number];

export interface Machine {
  readonly platform: NodeJS.Platform;
  readonly home: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** How a client starts the server. */
export interface Launch {
  readonly command: string;
  readonly args: readonly string[];
  /** Variables the server is started with, beside those the user has entered. */
  readonly env?: Readonly<Record<string, string>>;
}

/** What to call the server in a client's list. */
export const SERVER_NAME = entryNameOf(READY_SERVER);

/**
 * Possible files of one client for this user, the likeliest last: that one is right where no folder of the others exists.
 */
export function configPaths(client: ClientName, { platform, home, env }: Machine): string[] {
  const { join } = platform === "win32" ? win32 : posix;
  if (client === "claude-code") return [join(home, ".claude.json")];
  if (client === "gemini") return [join(home, ".gemini", "settings.json")];
  if (client === "cursor") return [join(home, ".cursor", "mcp.json")];
  const roaming = env.APPDATA ?? join(home, "AppData", "Roaming");
  const applications = {
    win32: roaming,
    darwin: join(home, "Library", "Application Support"),
    other: env.XDG_CONFIG_HOME ?? join(home, ".config"),
  }[platform === "win32" || platform === "darwin" ? platform : "other"];
  if (client === "claude") {
    const file = join("Claude", "claude_desktop_config.json");
    const usual = join(applications, file);
    if (platform !== "win32") return [usual];
    // As packaged by Microsoft's installer, Claude sees a roaming folder of its own.
    const local = env.LOCALAPPDATA ?? join(home, "AppData", "Local");
    return [join(local, "Packages", "Claude_pzs8sxrjxfjjc", "LocalCache", "Roaming", file), usual];
  }
  if (client === "goose")
    return platform === "win32"
      ? [join(roaming, "Block", "goose", "config", "config.yaml")]
      : [join(env.XDG_CONFIG_HOME ?? join(home, ".config"), "goose", "config.yaml")];
  const user = join(applications, "Code", "User");
  if (client === "vscode") return [join(user, "mcp.json")];
  return [join(user, "globalStorage", "saoudrizwan.claude-dev", "settings", "cline_mcp_settings.json")];
}

/** Where the server stands in the client's file, and what stands there. */
export function configEntry(client: ClientName, launch: Launch): { path: string[]; value: object } {
  if (client === "vscode") return { path: ["servers", SERVER_NAME], value: { type: "stdio", ...launch } };
  if (client === "claude-code") return { path: ["mcpServers", SERVER_NAME], value: { type: "stdio", ...launch } };
  if (client !== "goose") return { path: ["mcpServers", SERVER_NAME], value: { ...launch } };
  const { command, args, env } = launch;
  const extension = { enabled: true, type: "stdio", name: GOOSE_NAME, cmd: command, args, ...(env && { envs: env }) };
  return { path: ["extensions", GOOSE_NAME], value: { ...extension, timeout: 300 } };
}

/** Goose has an extension of its own that is called memory. */
const GOOSE_NAME = "stateful-mcp";
