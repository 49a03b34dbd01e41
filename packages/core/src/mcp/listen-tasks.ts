// What becomes of tasks, told in a stream of subscriptions/listen (SEP-2663). The SDK's stream knows nothing of tasks: what it says is
// taken apart into messages, and those about tasks are put between them. Knows not how a task is run.
import { SUBSCRIPTION_ID_META_KEY } from "@modelcontextprotocol/server";
import type { CallerTasks, DetailedTaskView } from "../state/caller-tasks.ts";
import { isEnded } from "../state/task-head.ts";
import type { Admit } from "../state/tasks.ts";
import type { WatchingStream } from "../state/watched.ts";
import { backoff, pause } from "../waiting.ts";
import { openSse, type SseStream } from "./sse.ts";
import { detailedTask } from "./tasks.ts";

const POLL_FIRST_MS = 250;
const POLL_MAX_MS = 2_000;

interface Message {
  readonly method?: string;
  readonly params?: { readonly notifications?: object };
  readonly result?: unknown;
}

/** The tasks of one stream. It asks the table how they stand, as a client that polls would, and ends when all of them have ended. */
export class TaskWatch {
  readonly #tasks: CallerTasks;
  readonly #subscription: string | number;
  readonly #looks: WatchingStream;
  /** What the client was last told of each task that has not ended; empty: nothing yet. */
  readonly #told = new Map<string, string>();
  readonly #over = new AbortController();
  onend: () => void = () => {};

  constructor(tasks: CallerTasks, looks: WatchingStream, subscription: string | number) {
    this.#tasks = tasks;
    this.#looks = looks;
    this.#subscription = subscription;
  }

  /** Takes those of the ids that the caller may look at; the others are not acknowledged, as if they had never been. */
  async begin(ids: readonly string[], admit: Admit): Promise<void> {
    for (const id of ids) {
      const view = await this.#tasks.get(id);
      if (!view || !isAdmitted(view, admit)) continue;
      // What is still as it was made, the client knows.
      this.#told.set(id, view.status === "working" ? stateOf(view) : "");
    }
  }

  /** The SDK's stream with that of the tasks in it. */
  join(response: Response): Response {
    const accepted = [...this.#told.keys()];
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    const sse = openSse({
      onClose: () => {
        this.end();
        reader?.cancel().catch(() => {});
        this.onend();
      },
    });
    const carry = async () => {
      let poll: Promise<void> | undefined;
      for await (const message of messagesOf(reader)) {
        const { method, params, result } = JSON.parse(message) as Message;
        if (method === "notifications/subscriptions/acknowledged") {
          const notifications = { ...params?.notifications, taskIds: accepted };
          sse.send({ data: JSON.stringify({ jsonrpc: "2.0", method, params: { ...params, notifications } }) });
          poll = this.#poll(sse);
          continue;
        }
        // The stream's own end. Where nothing but tasks is watched, the SDK's comes at once.
        if (result !== undefined) await poll;
        sse.send({ data: message });
      }
    };
    carry()
      .catch(() => {})
      .finally(() => sse.close());
    return sse.response;
  }

  /** Watches no longer. */
  end(): void {
    this.#looks.end();
    this.#over.abort();
  }

  async #poll(sse: SseStream): Promise<void> {
    let pauseMs = backoff(POLL_FIRST_MS, POLL_MAX_MS, 2);
    while (this.#told.size > 0 && !this.#over.signal.aborted) {
      for (const id of this.#told.keys()) {
        if (!(await this.#look(id, sse))) continue;
        pauseMs = backoff(POLL_FIRST_MS, POLL_MAX_MS, 2);
      }
      if (this.#over.signal.aborted) return;
      this.#looks.watches(this.#told.size);
      if (this.#told.size > 0) await pause(this.#looks.pauseMs(pauseMs()), this.#over.signal);
    }
  }

  /** Tells how a task stands if that has changed. A table that does not answer has not changed: the next look finds what this one missed. */
  async #look(id: string, sse: SseStream): Promise<boolean> {
    let view: DetailedTaskView | undefined;
    try {
      view = await this.#tasks.get(id);
    } catch {
      return false;
    }
    if (!view || isEnded(view)) this.#told.delete(id);
    if (!view || stateOf(view) === this.#told.get(id)) return false;
    if (this.#told.has(id)) this.#told.set(id, stateOf(view));
    const params = { ...detailedTask(view), _meta: { [SUBSCRIPTION_ID_META_KEY]: this.#subscription } };
    sse.send({ data: JSON.stringify({ jsonrpc: "2.0", method: "notifications/tasks", params }) });
    return true;
  }
}

/** What a notification tells of a task, as far as it can change. */
const stateOf = ({ status, updatedMs, message, questions = {} }: DetailedTaskView): string =>
  JSON.stringify([status, updatedMs, message, Object.keys(questions)]);

function isAdmitted(view: DetailedTaskView, admit: Admit): boolean {
  try {
    admit(view);
    return true;
  } catch {
    return false;
  }
}

/** The data of each event, in which the SDK writes one line. */
async function* messagesOf(reader: ReadableStreamDefaultReader<string> | undefined): AsyncGenerator<string> {
  let rest = "";
  for (let read = await reader?.read(); read && !read.done; read = await reader?.read()) {
    const events = (rest + read.value).split("\n\n");
    rest = events.pop() ?? "";
    for (const event of events) {
      const line = event.split("\n").find((one) => one.startsWith("data: "));
      if (line !== undefined) yield line.slice("data: ".length);
    }
  }
}
