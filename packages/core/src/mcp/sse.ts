// A server-sent-events response that is written to over time. Knows nothing of what the events say.

const encoder = new TextEncoder();
/** Load balancers cut connections that are silent for 30 to 60 s. */
export const KEEP_ALIVE_MS = 15_000;

/** What waits for the client at most where its writer waits for room; one event may lie above. */
const ROOM_BYTES = 1_048_576;

export interface SseStream {
  readonly response: Response;
  /** True once the client has gone away or the stream was closed. */
  readonly closed: boolean;
  /** Writes an event; does nothing on a closed stream. */
  send(event: { id?: string | undefined; retryMs?: number | undefined; data: string }): void;
  /** Resolves once the client has taken so much of what was written that there is room for more, or the stream is closed. */
  room(): Promise<void>;
  /** Says nothing, so that the connection is not silent. */
  comment(): void;
  /** Passes on what another stream of events says, to its end. */
  pipe(events: ReadableStream<Uint8Array>): Promise<void>;
  close(): void;
}

export function openSse(options: { headers?: Record<string, string>; onClose?: () => void } = {}): SseStream {
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  let waiting: PromiseWithResolvers<void> | undefined;
  const room = async () => {
    if (!controller || (controller.desiredSize ?? 0) > 0) return;
    waiting ??= Promise.withResolvers();
    await waiting.promise;
  };
  const write = (text: string) => controller?.enqueue(encoder.encode(text));
  const comment = () => write(": keep-alive\n\n");
  const timer = setInterval(comment, KEEP_ALIVE_MS);
  timer.unref();
  const end = () => {
    if (!controller) return false;
    controller = undefined;
    clearInterval(timer);
    waiting?.resolve();
    options.onClose?.();
    return true;
  };
  const body = new ReadableStream<Uint8Array>(
    {
      start: (given) => {
        controller = given;
      },
      pull: () => {
        waiting?.resolve();
        waiting = undefined;
      },
      cancel: () => {
        end();
      },
    },
    new ByteLengthQueuingStrategy({ highWaterMark: ROOM_BYTES }),
  );
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
    comment,
    room,
    pipe: async (events) => {
      for await (const chunk of events) {
        await room();
        if (!controller) return;
        controller.enqueue(chunk);
      }
    },
    close: () => {
      const open = controller;
      if (end()) open?.close();
    },
  };
}

/**
 * The answer as it is when it comes soon; otherwise a stream that is kept alive until the answer comes and then says it. An
 * answer that comes late and could not be had is the stream's end.
 */
export async function answerInTime<Answer extends Response | string>(
  answer: Promise<Answer>,
): Promise<Answer | Response> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), KEEP_ALIVE_MS);
    timer.unref();
  });
  const soon = await Promise.race([answer, late]).finally(() => clearTimeout(timer));
  if (soon !== undefined) return soon;
  const sse = openSse();
  sse.comment();
  const say = async () => {
    const response = await answer;
    if (typeof response === "string") sse.send({ data: response });
    else if (response.body && response.headers.get("content-type")?.startsWith("text/event-stream"))
      await sse.pipe(response.body);
    else sse.send({ data: await response.text() });
  };
  // The part that answers has logged why it could not.
  void say()
    .catch(() => {})
    .finally(() => sse.close());
  return sse.response;
}
