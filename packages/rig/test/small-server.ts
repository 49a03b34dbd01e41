// A server for the tests of the process controls: says who it is, echoes bodies, streams on request, drains on SIGTERM.
import http from "node:http";

const server = http.createServer((request, response) => {
  if (request.url === "/stream") {
    response.writeHead(200, { "content-type": "text/event-stream" }).write("data: first\n\n");
    request.resume();
    return;
  }
  if (request.url === "/readyz") response.end("ready");
  else {
    response.setHeader("x-pid", process.pid);
    request.pipe(response);
  }
});
server.listen(Number(process.argv[2]), "127.0.0.1", () => process.stderr.write("listening\n"));
process.on("SIGTERM", () => server.close());
