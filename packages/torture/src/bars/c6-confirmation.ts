// C6: an agreement counts once. Tampered, expired and foreign ones are refused; one used by many at the same time, on several
// instances, runs its tool once.
import { createApp, defineTool, parseTokens } from "@stateful-mcp/core";
import { createDynamoDBClient, createStateClient, DynamoDBStore, setupTable } from "@stateful-mcp/core/dynamodb";
import { findDynoxide, startDynalite, startDynoxide } from "@stateful-mcp/rig";
import * as z from "zod";
import { defineBar } from "../bars.ts";

type App = ReturnType<typeof createApp>;
type Answer = {
  result?: { requestState?: string; isError?: boolean; structuredContent?: { erased?: boolean } };
  error?: { code: number };
};

const TOKENS = { a: "a".repeat(32), b: "b".repeat(32) };
const ENVELOPE = "io.modelcontextprotocol/";

/** One modern tools/call of `erase`. */
async function call(app: App, token: string, what: string, agreement: Record<string, unknown> = {}): Promise<Answer> {
  const _meta = {
    [`${ENVELOPE}protocolVersion`]: "2026-07-28",
    [`${ENVELOPE}clientCapabilities`]: { elicitation: {} },
  };
  const params = { name: "erase", arguments: { what }, _meta, ...agreement };
  const headers = {
    authorization: `Bearer ${token}`,
    "content-type": "application/json",
    accept: "application/json, text/event-stream",
    "mcp-protocol-version": "2026-07-28",
    "mcp-method": "tools/call",
    "mcp-name": "erase",
  };
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params });
  const response = await app.fetch(new Request("http://localhost/mcp", { method: "POST", headers, body }));
  return (await response.json()) as Answer;
}

export default defineBar({
  id: "C6",
  title: "An agreement counts once, for its caller and its call",
  test: { tampered: 500, shared: 1, users: 50 },
  full: { tampered: 10_000, shared: 10, users: 1_000 },
  run: async ({ scale, random, progress }) => {
    const engine = await ("path" in findDynoxide() ? startDynoxide() : startDynalite());
    const table = "confirm";
    const clients = Array.from({ length: 4 }, () => createStateClient(engine.connection));
    const sdk = createDynamoDBClient(engine.connection);
    await setupTable(sdk, table, () => {});
    sdk.destroy();
    const runs = new Map<string, number>();
    const erase = defineTool({
      name: "erase",
      description: "Erases something for good.",
      input: z.object({ what: z.string() }),
      output: z.object({ erased: z.boolean() }),
      session: "none",
      confirm: true,
      run: ({ what }) => {
        runs.set(what, (runs.get(what) ?? 0) + 1);
        return { erased: true };
      },
    });
    const tokens = parseTokens(`a=${TOKENS.a},b=${TOKENS.b}`);
    const apps = clients.map((client) =>
      createApp({ tools: [erase], store: new DynamoDBStore({ client, table }), access: { mode: "tokens", tokens } }),
    );
    const app = () => random.pick(apps);
    const agree = async (what: string): Promise<{ requestState: string; inputResponses: object }> => {
      const { result } = await call(app(), TOKENS.a, what);
      const inputResponses = { confirm: { action: "accept", content: { confirm: true } } };
      return { requestState: String(result?.requestState), inputResponses };
    };
    const violations: string[] = [];
    let operations = 0;
    try {
      for (let i = 0; i < scale.tampered; i++) {
        const what = `tampered ${i}`;
        const agreement = await agree(what);
        const state = agreement.requestState;
        const at = random.int(0, state.length - 1);
        const other = random.pick([..."ABCxyz019_-"].filter((character) => character !== state[at]));
        const attempts: readonly (() => Promise<Answer>)[] = [
          () =>
            call(app(), TOKENS.a, what, {
              ...agreement,
              requestState: state.slice(0, at) + other + state.slice(at + 1),
            }),
          () => call(app(), TOKENS.a, `${what}!`, agreement),
          () => call(app(), TOKENS.b, what, agreement),
          () => call(app(), TOKENS.a, what, { ...agreement, requestState: state.slice(0, at) }),
        ];
        const answer = await random.pick(attempts)();
        operations += 2;
        if (!answer.error || runs.size > 0)
          violations.push(`${what} was accepted: ${JSON.stringify(answer).slice(0, 200)}`);
        if (i % 50 === 0) progress.update({ done: i, total: scale.tampered, ok: i - violations.length, faults: i });
      }
      for (let i = 0; i < scale.shared; i++) {
        const what = `shared ${i}`;
        const agreement = await agree(what);
        const answers = await Promise.all(
          Array.from({ length: scale.users }, (_, user) =>
            call(apps[user % apps.length] as App, TOKENS.a, what, agreement),
          ),
        );
        operations += scale.users;
        const done = answers.filter(({ result }) => result?.structuredContent?.erased).length;
        if (done !== 1 || runs.get(what) !== 1)
          violations.push(`${what} ran ${runs.get(what) ?? 0} times and ${done} callers were told so.`);
        runs.delete(what);
      }
    } finally {
      await Promise.all(apps.map((one) => one.close()));
      for (const client of clients) client.destroy();
      await engine.stop();
    }
    return { operations, successRatio: 1, faults: { "false agreements": scale.tampered }, violations };
  },
});
