import { expect, it } from "vitest";
import { CLIENTS, configEntry, configPaths, type Machine } from "./clients.ts";

const linux: Machine = { platform: "linux", home: "/home/ana", env: {} };
const mac: Machine = { platform: "darwin", home: "/Users/ana", env: {} };
const windows: Machine = {
  platform: "win32",
  home: "C:\\Users\\ana",
  env: { APPDATA: "C:\\Users\\ana\\AppData\\Roaming", LOCALAPPDATA: "C:\\Users\\ana\\AppData\\Local" },
};
const MAC = "/Users/ana/Library/Application Support";
const CLINE = "Code/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json";
const ROAMING = "C:\\Users\\ana\\AppData\\Roaming";

it.each([
  ["linux", linux, "claude", ["/home/ana/.config/Claude/claude_desktop_config.json"]],
  ["linux", linux, "cursor", ["/home/ana/.cursor/mcp.json"]],
  ["linux", linux, "vscode", ["/home/ana/.config/Code/User/mcp.json"]],
  ["linux", linux, "cline", [`/home/ana/.config/${CLINE}`]],
  ["linux", linux, "claude-code", ["/home/ana/.claude.json"]],
  ["linux", linux, "gemini", ["/home/ana/.gemini/settings.json"]],
  ["linux", linux, "goose", ["/home/ana/.config/goose/config.yaml"]],
  ["darwin", mac, "goose", ["/Users/ana/.config/goose/config.yaml"]],
  ["win32", windows, "goose", [`${ROAMING}\\Block\\goose\\config\\config.yaml`]],
  ["win32", windows, "claude-code", ["C:\\Users\\ana\\.claude.json"]],
  ["darwin", mac, "claude", [`${MAC}/Claude/claude_desktop_config.json`]],
  ["darwin", mac, "cursor", ["/Users/ana/.cursor/mcp.json"]],
  ["darwin", mac, "vscode", [`${MAC}/Code/User/mcp.json`]],
  ["darwin", mac, "cline", [`${MAC}/${CLINE}`]],
  [
    "win32",
    windows,
    "claude",
    [
      "C:\\Users\\ana\\AppData\\Local\\Packages\\Claude_pzs8sxrjxfjjc\\LocalCache\\Roaming\\Claude\\claude_desktop_config.json",
      `${ROAMING}\\Claude\\claude_desktop_config.json`,
    ],
  ],
  ["win32", windows, "cursor", ["C:\\Users\\ana\\.cursor\\mcp.json"]],
  ["win32", windows, "vscode", [`${ROAMING}\\Code\\User\\mcp.json`]],
  ["win32", windows, "cline", [`${ROAMING}\\${CLINE.replaceAll("/", "\\")}`]],
] as const)("on %s, %o, %s has its configuration at %j", (_, machine, client, paths) => {
  expect(configPaths(client, machine)).toEqual(paths);
});

it("follows XDG_CONFIG_HOME, and without APPDATA takes its usual place", () => {
  expect(configPaths("vscode", { ...linux, env: { XDG_CONFIG_HOME: "/data" } })).toEqual(["/data/Code/User/mcp.json"]);
  expect(configPaths("vscode", { ...windows, env: {} })).toEqual(configPaths("vscode", windows));
});

it("uses the key and the form that each client reads", () => {
  const launch = { command: "node", args: ["main.js"] };
  expect(CLIENTS.map((client) => configEntry(client, launch))).toEqual([
    { path: ["mcpServers", "memory"], value: launch },
    { path: ["mcpServers", "memory"], value: { type: "stdio", ...launch } },
    { path: ["mcpServers", "memory"], value: launch },
    { path: ["servers", "memory"], value: { type: "stdio", ...launch } },
    { path: ["mcpServers", "memory"], value: launch },
    { path: ["mcpServers", "memory"], value: launch },
    {
      path: ["extensions", "stateful-mcp"],
      value: { enabled: true, type: "stdio", name: "stateful-mcp", cmd: "node", args: ["main.js"], timeout: 300 },
    },
  ]);
});
