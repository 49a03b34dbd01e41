// A Lambda function without AWS: its bundled asset in a process of its own, driven through the Runtime API.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { type Answer, RuntimeApi } from "./runtime-api.ts";

export interface FunctionOptions {
  /** What is started: AWS's runtime interface client or its double. */
  readonly runtime: string;
  /** The folder of the asset, and `file.export` in it. */
  readonly folder: string;
  readonly handler: string;
  readonly environment: Readonly<Record<string, string>>;
  /** The trace of its invocations, as AWS writes it. */
  readonly trace?: string;
}

/** One environment of a function: cold until its first event, warm from then on. */
export class LambdaFunction implements AsyncDisposable {
  readonly #api: RuntimeApi;
  readonly #child: ChildProcess;
  /** What it wrote to its log. */
  log = "";

  private constructor(api: RuntimeApi, options: FunctionOptions) {
    this.#api = api;
    this.#child = spawn(process.execPath, [options.runtime], {
      stdio: ["ignore", "pipe", "pipe"],
      // Nothing of this process's environment: an asset that needs more than Lambda gives must not start here either.
      env: {
        PATH: process.env.PATH,
        AWS_LAMBDA_RUNTIME_API: api.address,
        LAMBDA_TASK_ROOT: options.folder,
        _HANDLER: options.handler,
        AWS_LAMBDA_FUNCTION_NAME: "test",
        AWS_LAMBDA_FUNCTION_VERSION: "$LATEST",
        AWS_LAMBDA_FUNCTION_MEMORY_SIZE: "512",
        AWS_LAMBDA_LOG_GROUP_NAME: "/aws/lambda/test",
        AWS_LAMBDA_LOG_STREAM_NAME: "test",
        AWS_REGION: "eu-west-1",
        AWS_ACCESS_KEY_ID: "test",
        AWS_SECRET_ACCESS_KEY: "test",
        ...options.environment,
      },
    });
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.setEncoding("utf8").on("data", (text: string) => {
        this.log += text;
      });
  }

  static async start(options: FunctionOptions): Promise<LambdaFunction> {
    return new LambdaFunction(await RuntimeApi.listen(options.trace), options);
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get alive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Ends its process without a word, as running out of memory does. */
  kill(): void {
    this.#child.kill("SIGKILL");
  }

  /** @throws FunctionError, or with its log when its process has ended. */
  invoke(event: unknown, timeoutMs?: number): Promise<Answer> {
    const ended = once(this.#child, "exit").then(([code]) => {
      throw new Error(`The function's process ended (${code}):\n${this.log}`);
    });
    ended.catch(() => {});
    return Promise.race([this.#api.invoke(event, timeoutMs), ended]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.alive) {
      const ended = once(this.#child, "exit");
      this.#child.kill("SIGKILL");
      await ended;
    }
    await this.#api.close();
  }
}
