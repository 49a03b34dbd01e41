// Stands in for AWS's runtime interface client where that cannot be built: the same environment, the same protocol, the same
// `awslambda`, in plain JavaScript.
import { request } from "node:http";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const { AWS_LAMBDA_RUNTIME_API, LAMBDA_TASK_ROOT, _HANDLER } = process.env;
const STREAMS = Symbol("streams");
globalThis.awslambda = {
  streamifyResponse: (handler) => Object.assign(handler, { [STREAMS]: true }),
  HttpResponseStream: {
    from: (output, prelude) => {
      output.setHeader("Content-Type", "application/vnd.awslambda.http-integration-response");
      const write = output.write.bind(output);
      output.write = (...args) => {
        output.write = write;
        write(JSON.stringify(prelude));
        write(Buffer.alloc(8));
        return write(...args);
      };
      return output;
    },
  },
};

const url = (path) => `http://${AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime${path}`;
const post = (path, body) => fetch(url(path), { method: "POST", body: JSON.stringify(body) });
const [file, name] = _HANDLER.split(".");
const loaded = await import(pathToFileURL(join(LAMBDA_TASK_ROOT, `${file}.mjs`))).catch(async (error) => {
  await post("/init/error", { errorType: error.name, errorMessage: error.message });
  process.exit(1);
});
const handler = loaded[name];

for (;;) {
  const next = await fetch(url("/invocation/next"));
  const id = next.headers.get("lambda-runtime-aws-request-id");
  process.env._X_AMZN_TRACE_ID = next.headers.get("lambda-runtime-trace-id");
  const deadline = Number(next.headers.get("lambda-runtime-deadline-ms"));
  const context = { awsRequestId: id, getRemainingTimeInMillis: () => deadline - Date.now() };
  const event = await next.json();
  try {
    if (handler[STREAMS]) {
      const output = request(url(`/invocation/${id}/response`), {
        method: "POST",
        headers: { "Lambda-Runtime-Function-Response-Mode": "streaming", "Transfer-Encoding": "chunked" },
      });
      const taken = new Promise((resolve, reject) => {
        output.on("response", (response) => response.resume().on("end", resolve));
        output.on("error", reject);
      });
      await Promise.all([handler(event, output, context), taken]);
    } else await post(`/invocation/${id}/response`, await handler(event, context));
  } catch (error) {
    await post(`/invocation/${id}/error`, { errorType: error.name, errorMessage: error.message });
  }
}
