// V1: conversations of both eras whose every request goes to another process than the one before. No process misses what another
// one was told.
import { randomBytes } from "node:crypto";
import { ERAS, OfficialClient } from "@stateful-mcp/rig";
import { defineBar } from "../bars.ts";
import { startRigOn } from "./rig.ts";
import { inParallel, Tally } from "./tally.ts";

const PROCESSES = 4;
const AT_ONCE = 10;
const TOKEN = randomBytes(32).toString("base64url");

interface Scale {
  readonly sessions: number;
  readonly calls: number;
}

export default defineBar<Scale>({
  id: "V1",
  title: "no affinity: every request to another process, and no session is unknown",
  test: { sessions: 100, calls: 10 },
  full: { sessions: 1_000, calls: 50 },
  places: ["table", "file"],
  async run({ place, scale, random, progress }) {
    const env = { MCP_AUTH_TOKEN: `user=${TOKEN}`, STATEFUL_MCP_SESSIONS_PER_PRINCIPAL: String(2 * scale.sessions) };
    await using rig = await startRigOn(place, { random, size: PROCESSES, env });
    const addresses = rig.fleet.live.map(({ address }) => address);
    const run = new Tally(progress, scale.sessions * scale.calls, rig);
    let answered = 0;
    await inParallel(scale.sessions, AT_ONCE, async (index) => {
      const era = ERAS[index % ERAS.length] ?? "modern";
      let turn = random.int(0, PROCESSES - 1);
      const client = await OfficialClient.connect(era, {
        address: () => addresses[turn++ % PROCESSES] ?? "",
        token: TOKEN,
      });
      // A 2025-era session has a state session of its own from its first write on; a modern client names one.
      const named = era === "modern" ? { session_id: (await client.call("create_session", {})).session_id } : {};
      let session: unknown;
      for (let call = 1; call <= scale.calls; call++) {
        const result = await client.call("increment_value", { ...named, key: "calls" }).catch((error: Error) => error);
        run.count();
        if (!(result instanceof Error)) answered++;
        const what = () =>
          `${era} session ${index}, call ${call}: ${result instanceof Error ? result : JSON.stringify(result)}`;
        if (result instanceof Error) run.expect(false, what);
        else {
          session ??= result.session_id;
          run.expect(result.value === call && result.session_id === session, what);
        }
      }
      const expected = era === "legacy" ? 1 : 0;
      run.expect(client.sent.initialize === expected, () => `${era} session ${index} was initialized again.`);
      await client.close();
    });
    return run.outcome({}, answered / Math.max(run.operations, 1));
  },
});
