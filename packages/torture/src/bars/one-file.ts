// One SQLite file as what bars run on: apps in this process, each with a connection of its own, and what server processes need to know.
// There is no network to disturb before a file, so the faults are processes that die and pause. Knows no bar.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createApp } from "@stateful-mcp/core";
import { SqliteStore } from "@stateful-mcp/core/sqlite";
import type { Ground, Instance, JoinOptions } from "./ground.ts";

export class OneFile implements Ground {
  readonly directory: string;
  readonly faults = {};
  readonly #live = new Map<Instance, () => Promise<void>>();

  private constructor(directory: string) {
    this.directory = directory;
  }

  static async start(): Promise<OneFile> {
    return new OneFile(await mkdtemp(join(tmpdir(), "torture-")));
  }

  get #path(): string {
    return join(this.directory, "state.sqlite");
  }

  async join({ around = (store) => store, ...options }: JoinOptions = {}): Promise<Instance> {
    const { clock } = options;
    const store = await SqliteStore.open(this.#path, { ...(clock && { clock }) });
    const app = createApp({ ...options, store: around(store) });
    const instance = { app };
    this.#live.set(instance, async () => {
      await app.close();
      await store.close();
    });
    return instance;
  }

  async kill(instance: Instance): Promise<void> {
    const close = this.#live.get(instance);
    this.#live.delete(instance);
    await close?.();
  }

  async forServers(): Promise<Readonly<Record<string, string>>> {
    return { STATE_FILE: this.#path };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#live.keys()].map((instance) => this.kill(instance)));
    await rm(this.directory, { recursive: true, force: true });
  }
}
