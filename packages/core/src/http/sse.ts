// A server-sent-events response that is written to over time. Knows nothing of what the events say.

const encoder = new TextEncoder();
/** Load balancers cut connections that are silent for 30 to 60 s. */
export const KEEP_ALIVE_MS = 15_000;

export interface SseStream {
  readonly response: Response;
  /** True once the client has gone away or the stream was closed. */
  readonly closed: boolean;
  /** Writes an event; does nothing on a closed stream. */
  send(event: { id?: string | undefined; retryMs?: number | undefined; data: string }): void;
  close(): void;
}

export function openSse(options: { headers?: Record<string, string>; onClose?: () => void } = {}): SseStream {
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  const write = (text: string) => controller?.enqueue(encoder.encode(text));
  const timer = setInterval(() => write(": keep-alive\n\n"), KEEP_ALIVE_MS);
  timer.unref();
  const end = () => {
    if (!controller) return false;
    controller = undefined;
    clearInterval(timer);
    options.onClose?.();
    return true;
  };
  const body = new ReadableStream<Uint8Array>({
    start: (given) => {
      controller = given;
    },
    cancel: () => {
      end();
    },
  });
  const headers = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-cache, no-transform",
    // nginx and its kin hold streams back otherwise.
    "X-Accel-Buffering": "no",
    ...options.headers,
  };
  return {
    response: new Response(body, { headers }),
    get closed() {
      return controller === undefined;
    },
    send: ({ id, retryMs, data }) => {
      const lines = [
        ...(data === "" ? [] : ["event: message"]),
        ...(id === undefined ? [] : [`id: ${id}`]),
        ...(retryMs === undefined ? [] : [`retry: ${retryMs}`]),
        `data: ${data}`,
      ];
      write(`${lines.join("\n")}\n\n`);
    },
    close: () => {
      const open = controller;
      if (end()) open?.close();
    },
  };
}
