import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "@stateful-mcp/rig";
import { describe, expect, it, onTestFinished } from "vitest";
import { run, start, startServer, temporaryDirectory } from "./process.ts";

const oneLine = (stderr: string) => {
  expect(stderr.trim().split("\n")).toHaveLength(1);
  expect(stderr).not.toMatch(/\n\s+at /);
};

describe("the command line", () => {
  it("prints help and version to stdout and ends with 0", async () => {
    const [help, version] = await Promise.all([run(["--help"]), run(["--version"])]);
    expect(help.code).toBe(0);
    for (const command of ["serve", "setup", "teardown", "doctor", "install", "token"])
      expect(help.stdout).toContain(`  ${command}`);
    expect(version).toMatchObject({ code: 0, stderr: "" });
    expect(version.stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it("tells an old Node.js which version is needed, before it meets anything it does not know", async () => {
    const old = "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '18.20.4' } })";
    const nodeArguments = ["--import", `data:text/javascript,${encodeURIComponent(old)}`];
    for (const commandLine of [[], ["doctor"]]) {
      const ended = await run(commandLine, { nodeArguments });
      expect(ended).toMatchObject({ code: 2, stdout: "" });
      expect(ended.stderr).toMatch(
        /^stateful-mcp: Node\.js 18\.20\.4 does not run this: it needs \^22\.\d+\.0 \|\| >=24\.\d+\.0\. .*\n$/,
      );
    }
  });

  it("ends with 2 for an unknown command or option", async () => {
    const [command, option] = await Promise.all([run(["sevre"]), run(["serve", "--prot", "1"])]);
    expect(command.code).toBe(2);
    expect(command.stderr).toContain("unknown command 'sevre'");
    expect(command.stderr).toContain("Did you mean serve?");
    expect(command.stderr).toContain("The commands are serve, console, setup");
    expect(option.code).toBe(2);
    expect(option.stderr).toContain("unknown option '--prot'");
    expect(option.stderr).toContain("Did you mean --port?");
    expect(option.stderr).toContain("What it takes: bin/stateful-mcp serve --help");
  });

  it("ends with 2 and one line for a bad setting, whatever the command", async () => {
    const env = { PORT: "high" };
    for (const ended of await Promise.all([run(["serve"], { env }), run(["setup"], { env })])) {
      expect(ended).toMatchObject({ code: 2, stdout: "" });
      expect(ended.stderr).toBe('stateful-mcp: PORT: "high" is not allowed; expected a whole number from 0 to 65535\n');
    }
    const unknown = await run([], { env: { STATEFUL_MCP_DATADIR: "/tmp" } });
    expect(unknown.code).toBe(2);
    expect(unknown.stderr).toContain("did you mean STATEFUL_MCP_DATA_DIR?");
  });

  it("never shows a token that is not allowed", async () => {
    const ended = await run(["serve"], { env: { MCP_AUTH_TOKEN: "canary" } });
    expect(ended.code).toBe(2);
    expect(ended.stderr).toContain("MCP_AUTH_TOKEN");
    expect(ended.stderr + ended.stdout).not.toContain("canary");
  });

  it("export prints what is remembered, and import puts it into another place, once", async () => {
    const [one, other] = [temporaryDirectory(), temporaryDirectory()];
    const file = join(temporaryDirectory(), "memory.jsonl");
    const at = (dataDir: string) => ({ env: { MCP_STATE_BACKEND: "local", STATEFUL_MCP_DATA_DIR: dataDir } });
    const server = await startServer([], at(one));
    // The second has what some readers of lines take for the end of one.
    for (const note of ["first", "second\u2028half\u2029\u0085"])
      await fetch(`${server.url}/tools/add_note`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ note }),
      });
    // While it is served: the file is shared.
    const exported = await run(["export"], at(one));
    server.child.kill("SIGTERM");
    await server.ended;
    expect(exported).toMatchObject({ code: 0, stderr: "Exported 2 notes and 0 values.\n" });
    // A terminal takes some of them for the beginning of a command.
    expect(exported.stdout).toContain(String.raw`second\u2028half\u2029\u0085`);
    // As the route writes them.
    const raw = exported.stdout.replace(String.raw`\u2028half\u2029\u0085`, "\u2028half\u2029\u0085");
    writeFileSync(file, raw);
    expect((await run(["import", file, "--dry-run"], at(other))).stderr).toBe(
      "Would add 1 sessions, 2 notes and 0 values.\n",
    );
    expect((await run(["import", file], at(other))).stderr).toBe("Added 1 sessions, 2 notes and 0 values.\n");
    expect((await run(["import", file], at(other))).stderr).toBe(
      "Added 0 sessions, 0 notes and 0 values.\n2 were there already.\n",
    );
    const again = await run(["export"], at(other));
    expect(again.stdout.split("\n").filter((line) => line.includes('"note"'))).toEqual(
      exported.stdout.split("\n").filter((line) => line.includes('"note"')),
    );
    expect((await run(["export", "--token-name", "alice"], at(other))).stdout.trim().split("\n")).toHaveLength(1);
    writeFileSync(file, Buffer.concat([Buffer.from(exported.stdout.replace("first", "fir")), Buffer.from([0xff, 10])]));
    const broken = await run(["import", file], at(other));
    expect(broken).toMatchObject({ code: 2, stderr: expect.stringContaining("UTF-8") });
    oneLine(broken.stderr);
    const missing = await run(["import", `${file}.none`], at(other));
    expect(missing.code).not.toBe(0);
    oneLine(missing.stderr);
  }, 120_000);

  it("iam-policy names the partition of the region, and says which placeholders are left", async () => {
    const policyOf = (env: Record<string, string>, ...options: string[]) =>
      run(["iam-policy", ...options], { env: { MCP_STATE_BACKEND: "dynamodb", ...env } });
    const items = { DYNAMODB_TABLE_NAME: "orders", STATEFUL_MCP_BLOB_BUCKET: "large" };
    const [china, gov, given, none] = await Promise.all([
      policyOf({ AWS_REGION: "cn-north-1", ...items }),
      policyOf({ AWS_REGION: "us-gov-west-1" }),
      policyOf(items, "--table-arn", "arn:aws-cn:dynamodb:cn-north-1:123456789012:table/state"),
      policyOf({}),
    ]);
    expect(china.stdout).toContain("arn:aws-cn:dynamodb:cn-north-1:<account>:table/orders");
    expect(china.stdout).toContain("arn:aws-cn:s3:::large/*");
    expect(china.stderr).toContain("still holds <account>:");
    expect(gov.stdout).toContain("arn:aws-us-gov:dynamodb:us-gov-west-1:");
    expect(given.stdout).toContain("arn:aws-cn:dynamodb:cn-north-1:123456789012:table/orders");
    expect(given.stdout).not.toContain("<");
    expect(given.stderr).toBe("");
    expect(none.stderr).toContain("<region> and <account>");
    const wrong = await policyOf({}, "--table-arn", "mcp_state");
    expect(wrong.code).toBe(2);
    oneLine(wrong.stderr);
  });

  it("mints a token on stdout, with a name when given one", async () => {
    const [plain, named, bad] = await Promise.all([run(["token"]), run(["token", "alice"]), run(["token", "a=b"])]);
    expect(plain.stdout).toMatch(/^[^\s=,]{32,}\n$/);
    expect(named.stdout).toMatch(/^alice=[^\s=,]{32,}\n$/);
    expect(bad).toMatchObject({ code: 2, stdout: "" });
  });

  it("ends with 3 and one line when the table cannot be reached", async () => {
    const env = {
      MCP_STATE_BACKEND: "dynamodb",
      DYNAMODB_ENDPOINT_URL: `http://127.0.0.1:${await freePort()}`,
      AWS_REGION: "eu-central-1",
      AWS_ACCESS_KEY_ID: "test",
      AWS_SECRET_ACCESS_KEY: "test",
    };
    for (const ended of await Promise.all([run([], { env }), run(["serve", "--port", "0"], { env })])) {
      expect(ended).toMatchObject({ code: 3, stdout: "" });
      oneLine(ended.stderr);
    }
  });
});

describe("a .env file", () => {
  /** What a hostile folder holds: its address would get the notes, its command would be run, its token would open the server. */
  async function hostileFolder() {
    const cwd = temporaryDirectory();
    let connections = 0;
    const listener = createServer((socket) => {
      connections++;
      socket.destroy();
    }).listen(0, "127.0.0.1");
    onTestFinished(() => void listener.close());
    await once(listener, "listening");
    const { port } = listener.address() as { port: number };
    const proof = join(cwd, "it-ran");
    writeFileSync(join(cwd, "aws"), `[default]\nregion = eu-central-1\ncredential_process = touch ${proof}\n`);
    const settings = [
      "MCP_STATE_BACKEND=dynamodb",
      `DYNAMODB_ENDPOINT_URL=http://127.0.0.1:${port}`,
      "AWS_CONFIG_FILE=aws",
      "HOST=0.0.0.0",
      "MCP_AUTH_TOKEN=known-to-the-one-who-made-the-folder",
      "STATEFUL_MCP_NONSENSE=1",
    ];
    writeFileSync(join(cwd, ".env"), settings.join("\n"));
    return { cwd, env: { MCP_STATE_BACKEND: "" }, untouched: () => !existsSync(proof) && connections === 0 };
  }

  it("of the folder a stdio server starts in changes nothing", async () => {
    const { cwd, env, untouched } = await hostileFolder();
    const server = start([], { cwd, env: { ...env, STATEFUL_MCP_DATA_DIR: join(cwd, "data") } });
    const [line] = await server.logged(/.*"transport":"stdio".*/);
    expect(JSON.parse(line)).toMatchObject({ state: join(cwd, "data") });
    server.child.stdin.end();
    expect((await server.ended).code).toBe(0);
    expect(untouched()).toBe(true);
  });

  it("of the folder `serve` and the other commands start in changes nothing, and they say so", async () => {
    const { cwd, env, untouched } = await hostileFolder();
    const server = await startServer([], { cwd, env: { ...env, STATEFUL_MCP_DATA_DIR: join(cwd, "data") } });
    expect(server.url).toMatch(/^http:\/\/127\.0\.0\.1:/);
    await server.logged(/\.env of this folder is not read: give --env-file/);
    expect((await fetch(`${server.url}/mcp/list_tools`)).status).toBe(200);
    server.child.kill("SIGTERM");
    await server.ended;
    const { code, stdout, stderr } = await run(["setup"], { cwd });
    expect([code, stdout]).toEqual([0, expect.stringContaining("memory backend")]);
    expect(stderr).toContain("give --env-file");
    expect(untouched()).toBe(true);
  });

  it("that is asked for configures the process and stands in the start message; the real environment wins", async () => {
    const cwd = temporaryDirectory();
    writeFileSync(join(cwd, ".env"), "ENVIRONMENT=from-file\nPORT=0\nHOST=::nowhere::\n");
    const server = start(["serve", "--env-file", ".env"], { cwd, env: { HOST: "127.0.0.1" } });
    const [line] = await server.logged(/.*"url":"http:\/\/127\.0\.0\.1:.*/);
    expect(JSON.parse(line)).toMatchObject({ environment: "from-file", settings: join(cwd, ".env") });
    server.child.kill("SIGTERM");
    expect((await server.ended).code).toBe(0);
  });

  it("loses to the real environment under a setting's other name, too", async () => {
    const cwd = temporaryDirectory();
    writeFileSync(join(cwd, "settings"), "MCP_SESSION_TABLE=from-file\nMCP_STATE_TABLE=from-file\n");
    for (const name of ["MCP_STATE_TABLE", "MCP_SESSION_TABLE"]) {
      const { code, stdout } = await run(["doctor", "--env-file", "settings"], {
        cwd,
        env: { [name]: "from-environment" },
      });
      expect([code, stdout]).toEqual([0, expect.stringContaining("table from-environment")]);
    }
  });

  it("that is asked for is checked like the environment, and must be there", async () => {
    const cwd = temporaryDirectory();
    writeFileSync(join(cwd, ".env"), "STATEFUL_MCP_NONSENSE=1\n");
    const [wrong, missing] = await Promise.all([
      run(["serve", "--env-file", ".env"], { cwd }),
      run(["setup", "--env-file", "none.env"], { cwd }),
    ]);
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining("STATEFUL_MCP_NONSENSE")]);
    // Node.js knows the flag, too, and complains first.
    expect([2, 9]).toContain(missing.code);
    expect(missing.stderr).toContain("none.env");
  });
});

describe("settings", () => {
  it("with names that other programs use, and values of theirs, are told and ignored over stdio", async () => {
    const env = { LOG_LEVEL: "WARNING", PORT: "high", HOST: "x86_64-conda-linux-gnu" };
    const { code, stderr } = await run([], { env });
    expect(code).toBe(0);
    const told = stderr.match(/"level":"warn".*/g) ?? [];
    expect(told).toEqual([expect.stringContaining("PORT"), expect.stringContaining("LOG_LEVEL")]);
    const strict = await run(["serve"], { env: { ...env, HOST: "127.0.0.1" } });
    expect(strict.code).toBe(2);
    oneLine(strict.stderr);
  });

  it("of our own are strict over stdio, too", async () => {
    expect((await run([], { env: { STATEFUL_MCP_SESSION_TTL_SECONDS: "soon" } })).code).toBe(2);
    expect((await run([], { env: { MCP_STATE_BACKEND: "redis" } })).code).toBe(2);
  });

  it("without effect are told at start", async () => {
    const endpoint = { DYNAMODB_ENDPOINT_URL: "http://127.0.0.1:1" };
    const server = await startServer([], { env: { ...endpoint, STATEFUL_MCP_OAUTH_AUDIENCE: "x" } });
    await server.logged(/DYNAMODB_ENDPOINT_URL has no effect here: it needs MCP_STATE_BACKEND=dynamodb/);
    await server.logged(/STATEFUL_MCP_OAUTH_AUDIENCE has no effect here/);
    const { stderr } = await run([], { env: { MCP_AUTH_TOKEN: "x".repeat(40) } });
    expect(stderr).toMatch(/MCP_AUTH_TOKEN has no effect here/);
  });

  it("may start a path with ~/, as no shell has seen them", async () => {
    const cwd = temporaryDirectory();
    writeFileSync(join(cwd, "tokens"), `desk=${"0123456789abcdef".repeat(3)}`, { mode: 0o600 });
    const server = await startServer([], {
      cwd,
      env: { MCP_STATE_BACKEND: "", STATEFUL_MCP_DATA_DIR: "~/data", STATEFUL_MCP_AUTH_TOKEN_FILE: "~/tokens" },
    });
    await server.logged(new RegExp(`"state":"${join(cwd, "data")}"`));
    expect((await fetch(`${server.url}/mcp/list_tools`)).status).toBe(401);
    server.child.kill("SIGTERM");
    await server.ended;
  });

  it("with a token that can be guessed, or a token file that every user may read, are told at start", async () => {
    const cwd = temporaryDirectory();
    const file = join(cwd, "tokens");
    writeFileSync(file, `desk=${"x".repeat(40)}`);
    const server = await startServer([], { env: { STATEFUL_MCP_AUTH_TOKEN_FILE: file } });
    await server.logged(/can be guessed belongs to desk/);
    if (process.platform !== "win32") await server.logged(/every user of this machine/);
  });
});

describe("serve", () => {
  it("refuses an address beyond this machine without a token", async () => {
    for (const host of ["0.0.0.0", "::", "example.com"]) {
      const ended = await run(["serve", "--port", "0", "--host", host]);
      expect(ended.code).toBe(2);
      oneLine(ended.stderr);
      expect(ended.stderr).toContain("MCP_AUTH_TOKEN");
      expect(ended.stderr).toContain("--allow-anonymous");
    }
  });

  it("listens beyond this machine with tokens, and asks every caller for one", async () => {
    const token = "0123456789abcdef0123456789abcdef";
    const server = await startServer(["--host", "0.0.0.0"], { env: { MCP_AUTH_TOKEN: token } });
    const list = (headers: Record<string, string>) => fetch(`${server.url}/mcp/list_tools`, { headers });
    const refused = await list({});
    expect(refused.status).toBe(401);
    expect(refused.headers.get("www-authenticate")).toMatch(/^Bearer/);
    expect((await list({ Authorization: `Bearer ${token}` })).status).toBe(200);
    server.child.kill("SIGTERM");
    const { code, stderr } = await server.ended;
    expect(code).toBe(0);
    expect(stderr).not.toContain(token);
  });

  it.skipIf(process.platform === "win32")("says so when export goes into a file that other users may read", () => {
    const folder = temporaryDirectory();
    const main = fileURLToPath(new URL("../src/main.ts", import.meta.url));
    const exportTo = (name: string, umask: string) => {
      const words = ["-c", `umask ${umask}; exec "$@" > ${name}`, "sh", process.execPath];
      const env = { PATH: process.env.PATH, HOME: folder, MCP_STATE_BACKEND: "memory" };
      const program = ["--import", import.meta.resolve("tsx"), main, "export"];
      return spawnSync("sh", [...words, ...program], { cwd: folder, env, encoding: "utf8" }).stderr;
    };
    expect(exportTo("open", "022")).toMatch(/may read or change that file: .*chmod o-rwx/);
    expect(exportTo("own", "077")).toBe("Exported 0 notes and 0 values.\n");
  });

  it("serves everybody when that is said, but then not the default session", async () => {
    const server = await startServer(["--host", "0.0.0.0", "--allow-anonymous"]);
    const response = await callTool(server.url, "add_note", { note: "whose?" });
    expect(response.status).toBeGreaterThanOrEqual(400);
    expect(response.status).toBeLessThan(500);
  });

  it("refuses tokens and --allow-anonymous together", async () => {
    const ended = await run(["serve", "--allow-anonymous"], { env: { MCP_AUTH_TOKEN: "x".repeat(40) } });
    expect(ended.code).toBe(2);
    oneLine(ended.stderr);
  });

  it("says in one line that what has its port says to be the same server, and recommends it only to who started it", async () => {
    const { url } = await startServer();
    const ours = await run(["serve", "--port", new URL(url).port]);
    expect(ours).toMatchObject({ code: 1, stdout: "" });
    oneLine(ours.stderr);
    const said = (port: string) =>
      `Port ${port} on 127.0.0.1 is in use by a program that says that it is stateful-mcp: use http://127.0.0.1:${port}/mcp if you started it`;
    expect(ours.stderr).toContain(said(new URL(url).port));

    // Another user of this machine, who says what helps them.
    let health: object | string = { service: "stateful-mcp", status: "healthy", table: "mcp_state" };
    const asked: (string | undefined)[] = [];
    const squatter = createHttpServer(({ headers }, response) => {
      asked.push(headers.authorization);
      response.end(typeof health === "string" ? health : JSON.stringify(health));
    }).listen(0, "127.0.0.1");
    await once(squatter, "listening");
    const port = String((squatter.address() as { port: number }).port);
    const env = { MCP_AUTH_TOKEN: "t".repeat(32), PORT: port };
    const faked = await run(["serve"], { env });
    expect(faked.stderr).toContain(said(port));
    expect(faked.stderr).not.toMatch(/already runs/);
    for (const other of [
      { service: "stateful-mcp: it has moved to http://evil.example", status: "healthy", table: "mcp_state" },
      `{"service": "stateful-mcp", "status": "${"x".repeat(20_000)}", "table": "mcp_state"}`,
    ]) {
      health = other;
      const { code, stderr } = await run(["serve"], { env });
      expect([code, stderr]).toEqual([1, expect.stringMatching(/Port \d+ on 127.0.0.1 is in use/)]);
      expect(stderr).not.toMatch(/evil|says that it is/);
    }
    squatter.close();
    expect(new Set(asked)).toEqual(new Set([undefined]));
  });

  it("says in one line that the port is in use", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as { port: number };
    const ended = await run(["serve", "--port", String(port)]);
    other.close();
    expect(ended).toMatchObject({ code: 1, stdout: "" });
    oneLine(ended.stderr);
    expect(ended.stderr).toMatch(new RegExp(`Port ${port} on 127.0.0.1 is in use by another program: .* with --port `));
  });

  it("answers a probe of HTTP/1.0 without Host, and nothing else that lacks one", async () => {
    const server = await startServer();
    const { port } = new URL(server.url);
    const answerTo = async (request: string) => {
      const socket = connect(Number(port), "127.0.0.1");
      socket.end(request);
      const chunks: Buffer[] = [];
      for await (const chunk of socket) chunks.push(chunk);
      return Buffer.concat(chunks).toString();
    };
    expect(await answerTo("GET /healthz HTTP/1.0\r\n\r\n")).toMatch(/^HTTP\/1\.1 200 /);
    expect(await answerTo("GET /readyz HTTP/1.0\r\n\r\n")).toMatch(/^HTTP\/1\.1 200 /);
    expect(await answerTo("GET /mcp/list_tools HTTP/1.0\r\n\r\n")).toMatch(/^HTTP\/1\.1 403 /);
    server.child.kill("SIGTERM");
    await server.ended;
  });

  it("says in one line that the host is none of this machine", async () => {
    const ended = await run(["serve", "--port", "0", "--host", "no-such-host.invalid", "--allow-anonymous"]);
    expect(ended.code).toBe(2);
    oneLine(ended.stderr);
    expect(ended.stderr).toContain("no-such-host.invalid");
  });

  it.each(["SIGTERM", "SIGINT"] as const)("finishes the call in flight after %s, then ends with 0", async (signal) => {
    const server = await startServer();
    const { port } = new URL(server.url);
    const body = JSON.stringify({ name: "add_note", arguments: { note: "slow" } });
    const socket = connect(Number(port), "127.0.0.1");
    let answer = "";
    socket.setEncoding("utf8").on("data", (text: string) => {
      answer += text;
    });
    socket.write(
      `POST /mcp/call_tool HTTP/1.1\r\nHost: localhost:${port}\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: ${body.length}\r\n\r\n`,
    );
    // The interim answer proves that the server has taken the request.
    while (!answer.includes("100 Continue")) await once(socket, "data");
    socket.write(body.slice(0, 10));
    server.child.kill(signal);
    await server.logged(/running calls may finish/);
    await expect(fetch(`${server.url}/healthz`)).rejects.toThrow();
    socket.write(body.slice(10));
    await once(socket, "close");
    expect(answer).toContain("HTTP/1.1 200");
    expect(answer.toLowerCase()).toContain("connection: close");
    expect(await server.ended).toMatchObject({ code: 0, stdout: "" });
  });

  it("says unready to a client that is still connected while it drains", async () => {
    const server = await startServer();
    const { port } = new URL(server.url);
    const socket = connect(Number(port), "127.0.0.1");
    let answer = "";
    socket.setEncoding("utf8").on("data", (text: string) => {
      answer += text;
    });
    // The end of the head is missing, so the connection counts as busy.
    socket.write(`GET /readyz HTTP/1.1\r\nHost: localhost:${port}\r\nX-Slow: `);
    await fetch(`${server.url}/healthz`);
    server.child.kill("SIGTERM");
    await server.logged(/running calls may finish/);
    socket.write("yes\r\n\r\n");
    await once(socket, "close");
    expect(answer).toContain("HTTP/1.1 503");
    expect((await server.ended).code).toBe(0);
  });
});

function callTool(url: string, name: string, input: object): Promise<Response> {
  return fetch(`${url}/mcp/call_tool`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ name, arguments: input }),
  });
}
