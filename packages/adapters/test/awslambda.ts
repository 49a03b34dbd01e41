// What Lambda's managed runtime gives a streaming function, reduced to its contract: the prelude leaves with the first write,
// and writing has a high-water mark. The real runtime client drives the bundled function elsewhere.
import { Writable } from "node:stream";
import type { LambdaContext, StreamingHandler } from "../src/lambda/handler.ts";

/** An output that takes nothing until told, counts what it holds, and can go away as a client does. */
export class Output extends Writable {
  readonly chunks: Buffer[] = [];
  #waiting: (() => void) | undefined;
  #open: boolean;

  constructor(options: { open?: boolean; highWaterMark?: number } = {}) {
    super({ highWaterMark: options.highWaterMark ?? 16_384 });
    this.#open = options.open ?? true;
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.chunks.push(chunk);
    if (this.#open) done();
    else this.#waiting = done;
  }

  /** From now on everything is taken. */
  openUp(): void {
    this.#open = true;
    this.#waiting?.();
  }

  /** The prelude and the body written so far. */
  get answer(): { statusCode: number; headers: Record<string, string>; cookies: string[]; body: string } {
    const bytes = Buffer.concat(this.chunks);
    const end = bytes.indexOf(Buffer.alloc(8));
    return { ...JSON.parse(bytes.subarray(0, end).toString()), body: bytes.subarray(end + 8).toString() };
  }
}

const preludes = new WeakMap<Writable, string>();
Object.assign(globalThis, {
  awslambda: {
    streamifyResponse: (handler: StreamingHandler) => handler,
    HttpResponseStream: {
      from: (output: Writable, prelude: unknown) => {
        preludes.set(output, JSON.stringify(prelude));
        const write = output.write.bind(output) as (chunk: unknown) => boolean;
        output.write = ((chunk: unknown) => {
          const text = preludes.get(output);
          if (text !== undefined) {
            preludes.delete(output);
            write(text);
            write(Buffer.alloc(8));
          }
          return write(chunk);
        }) as typeof output.write;
        return output;
      },
    },
  },
});

/** An invocation that began now and may take so long. */
export function contextOf(milliseconds = 60_000): LambdaContext {
  const end = performance.now() + milliseconds;
  return { getRemainingTimeInMillis: () => end - performance.now() };
}
