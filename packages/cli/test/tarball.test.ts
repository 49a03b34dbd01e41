// What a user installs: the packed file, in an empty folder, through npm.
import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { expect, it } from "vitest";
import { temporaryDirectory } from "./process.ts";

const PACKAGE = fileURLToPath(new URL("..", import.meta.url));
const execute = promisify(execFile);

it("installs from its tarball alone, and remembers a note after a restart", { timeout: 180_000 }, async () => {
  const folder = temporaryDirectory();
  await execute("npx", ["-y", "pnpm@10", "pack", "--pack-destination", folder], { cwd: PACKAGE });
  const tarball = readdirSync(folder).find((name) => name.endsWith(".tgz"))!;
  await execute("npm", ["install", "--no-audit", "--no-fund", "--prefer-offline", join(folder, tarball)], {
    cwd: folder,
  });

  const installed = join(folder, "node_modules", "stateful-mcp");
  const manifest = readFileSync(join(installed, "package.json"), "utf8");
  expect(manifest).not.toContain("workspace:");
  expect(Object.keys(JSON.parse(manifest).dependencies)).toEqual(["dynalite"]);

  const withServer = async <T>(mode: "legacy" | { pin: string }, use: (client: Client) => Promise<T>): Promise<T> => {
    const client = new Client({ name: "tarball-test", version: "1" }, { versionNegotiation: { mode } });
    const transport = new StdioClientTransport({
      command: join(folder, "node_modules", ".bin", "stateful-mcp"),
      cwd: folder,
      env: { PATH: `${dirname(process.execPath)}:${process.env.PATH}`, HOME: folder },
      stderr: "ignore",
    });
    await client.connect(transport);
    try {
      return await use(client);
    } finally {
      await client.close();
    }
  };
  const added = await withServer({ pin: "2026-07-28" }, (client) =>
    client.callTool({ name: "add_note", arguments: { note: "from the tarball" } }),
  );
  expect(added.structuredContent).toMatchObject({ count: 1 });
  const project = join(folder, "my-server");
  await execute(join(folder, "node_modules", ".bin", "stateful-mcp"), ["create", project], { cwd: folder });
  expect(JSON.parse(readFileSync(join(project, "package.json"), "utf8"))).toMatchObject({
    name: "my-server",
    dependencies: { "@stateful-mcp/core": `^${JSON.parse(manifest).version}` },
  });
  expect(readFileSync(join(project, ".gitignore"), "utf8")).toContain("node_modules");
  const read = await withServer("legacy", (client) => client.callTool({ name: "get_notes", arguments: {} }));
  expect(read.structuredContent).toMatchObject({ notes: ["from the tarball"] });
});
