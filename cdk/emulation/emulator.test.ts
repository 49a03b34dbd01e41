// The command line of the CDK against an emulator of AWS: bootstrap, deploy, look, destroy. It proves the assembly, its assets, the
// order of the stacks and what they hand each other; it does not prove that AWS accepts the templates.
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { freePort } from "@stateful-mcp/rig";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { REPOSITORY } from "../test/synthesis.ts";
import { missing } from "./programs.ts";

const execute = promisify(execFile);
const reason = missing("python3", ["-c", "import moto.server"]);

describe.skipIf(reason !== undefined)(
  `an emulated account${reason === undefined ? "" : ` (SKIPPED: ${reason})`}`,
  () => {
    let emulator: ChildProcess;
    let endpoint: string;
    const folder = mkdtempSync(join(tmpdir(), "emulator-"));

    const cdk = (...args: string[]) =>
      execute(join(REPOSITORY, "node_modules/.bin/cdk"), [...args, "--output", join(folder, "cdk.out")], {
        cwd: REPOSITORY,
        env: {
          ...process.env,
          AWS_ENDPOINT_URL: endpoint,
          AWS_ACCESS_KEY_ID: "test",
          AWS_SECRET_ACCESS_KEY: "test",
          AWS_REGION: "eu-central-1",
          // The image itself has a suite of its own.
          CDK_DOCKER: join(folder, "docker"),
        },
      });

    const signedFor = (service: string) =>
      `AWS4-HMAC-SHA256 Credential=test/20260101/eu-central-1/${service}/aws4_request, SignedHeaders=host, Signature=0`;

    /** One request to the emulator, in the way of the services that speak JSON. */
    const ask = async (service: string, target: string, body: object) => {
      const answer = await fetch(endpoint, {
        method: "POST",
        headers: {
          Authorization: signedFor(service),
          "Content-Type": "application/x-amz-json-1.0",
          "X-Amz-Target": target,
        },
        body: JSON.stringify(body),
      });
      return { status: answer.status, body: (await answer.json()) as { Table?: object; SecretString?: string } };
    };
    const describeTable = (TableName: string) => ask("dynamodb", "DynamoDB_20120810.DescribeTable", { TableName });

    beforeAll(async () => {
      // Knows no image, builds none, and says that all went well.
      writeFileSync(join(folder, "docker"), '#!/bin/sh\n[ "$1" != inspect ]\n', { mode: 0o755 });
      const port = await freePort();
      endpoint = `http://127.0.0.1:${port}`;
      emulator = spawn("python3", [fileURLToPath(new URL("emulator.py", import.meta.url)), String(port)], {
        stdio: "ignore",
      });
      await vi.waitFor(() => fetch(`${endpoint}/moto-api/data.json`), { timeout: 60_000 });
      await cdk("bootstrap", "aws://123456789012/eu-central-1");
    }, 180_000);
    afterAll(() => void emulator?.kill("SIGKILL"));

    const deploy = (stacks: readonly string[], outputs: string, context: readonly string[]) =>
      cdk("deploy", ...stacks, "--method=direct", "--require-approval=never", "--outputs-file", outputs, ...context);

    it.each(["LambdaStack", "FargateStack"])(
      "%s is deployed with the state's stack, says where it is, and both are destroyed",
      async (stack) => {
        const context = ["--context", "removeData=true", "--context", "tasks=true"];
        const outputs = join(folder, `${stack}.json`);
        await deploy([stack], outputs, context);
        const { StateStack, [stack]: server } = JSON.parse(readFileSync(outputs, "utf8"));

        const { body } = await describeTable(StateStack.TableName);
        expect(body.Table).toMatchObject({
          KeySchema: [
            { AttributeName: "pk", KeyType: "HASH" },
            { AttributeName: "sk", KeyType: "RANGE" },
          ],
          BillingModeSummary: { BillingMode: "PAY_PER_REQUEST" },
        });
        expect(server.Url).toMatch(/^https?:\/\/.*\/mcp$/);
        const [, secret] = /--secret-id (\S+)/.exec(server.TokenCommand)!;
        const token = await ask("secretsmanager", "secretsmanager.GetSecretValue", { SecretId: secret });
        expect(token.body.SecretString).toHaveLength(43);

        // Gone with their stacks, the server's first, because it uses what the state's exports.
        await cdk("destroy", stack, "StateStack", "--force", ...context);
        expect((await describeTable(StateStack.TableName)).status).toBe(400);
      },
      600_000,
    );

    it("a stack of the same name that another app has made is not touched without consent, and a name of one's own goes round it", async () => {
      const others = {
        Resources: { Orders: { Type: "AWS::SQS::Queue", Properties: { QueueName: "orders-of-another-app" } } },
      };
      const cloudFormation = (parameters: Record<string, string>) =>
        fetch(endpoint, {
          method: "POST",
          headers: { Authorization: signedFor("cloudformation") },
          body: new URLSearchParams({ Version: "2010-05-15", StackName: "StateStack", ...parameters }),
        });
      await cloudFormation({ Action: "CreateStack", TemplateBody: JSON.stringify(others) });

      const refused = await cdk("deploy", "StateStack", "--method=direct").then(
        () => "",
        // With CI=true the difference is on stdout.
        ({ stdout, stderr }: { stdout: string; stderr: string }) => stdout + stderr,
      );
      expect(refused).toMatch(/Destructive changes:[\s\S]*Orders/);
      expect(refused).toContain("unable to get a confirmation");
      const resources = await cloudFormation({ Action: "DescribeStackResources" });
      expect(await resources.text()).toContain("orders-of-another-app");

      const outputs = join(folder, "named.json");
      await deploy(["prod-StateStack"], outputs, ["--context", "name=prod"]);
      const { TableName } = JSON.parse(readFileSync(outputs, "utf8"))["prod-StateStack"];
      expect((await describeTable(TableName)).status).toBe(200);
      await cdk("destroy", "prod-StateStack", "--force", "--context", "name=prod");
      await cloudFormation({ Action: "DeleteStack" });
    }, 600_000);

    it("a bucket comes with a later deployment, and is taken back by that of one server while another still uses it", async () => {
      const outputs = join(folder, "bucket.json");
      const bucketOf = () => JSON.parse(readFileSync(outputs, "utf8")).StateStack.BucketName as string | undefined;
      const both = ["LambdaStack", "FargateStack"];
      await deploy(both, outputs, []);
      expect(bucketOf()).toBeUndefined();
      await deploy(both, outputs, ["--context", "blobs=true"]);
      const bucket = bucketOf();
      await deploy(["LambdaStack"], outputs, []);
      expect(bucketOf()).toBeUndefined();
      // It belongs to no stack any more, and keeps what is in it.
      expect((await fetch(`${endpoint}/${bucket}`)).status).toBe(200);
      await deploy(["FargateStack"], outputs, []);
      await cdk("destroy", ...both, "StateStack", "--force");
    }, 600_000);
  },
);
