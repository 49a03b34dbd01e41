// The conditions that keep one caller from taking what is there for all, and a person from confirming what they are not shown.
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these texts are source code.
import type { Mutation } from "./mutation-list.ts";

const CROWD = { file: "state/crowd.ts", tests: ["http/open-server.test.ts"] };
const NETWORK = { file: "http/network.ts", tests: ["http/open-server.test.ts"] };
const UNSENT = { file: "calls/unsent.ts", tests: ["calls/unsent.test.ts"] };
const ROOM = { file: "room.ts", tests: ["calls/unsent.test.ts"] };

export const BOUND_MUTATIONS: readonly Mutation[] = [
  {
    ...CROWD,
    name: "one network makes so many calls and no more",
    from: "own + amount > limit\n",
    to: "own + amount > most\n",
  },
  {
    ...CROWD,
    name: "all networks together have a bound",
    from: "this.#all + amount > most",
    to: "false",
  },
  {
    ...NETWORK,
    name: "an address is believed of a named proxy alone",
    from: "found !== undefined && isTrusted(found) ? plainAddress(one)",
    to: "found !== undefined ? plainAddress(one)",
  },
  {
    ...NETWORK,
    name: "the addresses of one IPv6 network are counted together",
    from: "const NETWORK_GROUPS = 4;",
    to: "const NETWORK_GROUPS = 8;",
  },
  {
    ...ROOM,
    name: "what one caller leaves unread is bounded",
    from: "own + bytes <= this.#perCaller && ",
    to: "",
  },
  {
    ...ROOM,
    name: "what all callers leave unread is bounded",
    from: " && this.#all + bytes <= this.#perProcess",
    to: "",
  },
  {
    ...UNSENT,
    name: "what has been read makes room",
    from: "this.#room.change(-this.#bytes);",
    to: "this.#room.change(0);",
  },
  {
    ...UNSENT,
    file: "calls/run-call.ts",
    name: "a call is refused before it has an effect, where there is no room for its answer",
    from: "unsent?.requireRoom(0);",
    to: "",
  },
  {
    file: "define/confirm.ts",
    tests: ["define/confirm.test.ts"],
    name: "a person is told how many are not shown",
    from: "return [...lines, `${name}: and ${value.length - at} more, not shown`];",
    to: "return lines;",
  },
  {
    file: "state/rate-limit.ts",
    tests: ["state/rate-limit.test.ts"],
    name: "a process that takes few of the calls reserves few",
    from: "Math.min(GROWTH * size, ",
    to: "Math.min(limit, ",
  },
  {
    file: "state/cache.ts",
    tests: ["state/cache.test.ts"],
    name: "a stale result is remembered for a moment",
    from: "Math.max(Number(attributes.freshUntil), stale)",
    to: "Math.max(Number(attributes.freshUntil), 0 * stale)",
  },
  {
    file: "state/cache.ts",
    tests: ["state/cache.test.ts"],
    name: "and not beyond its end",
    from: "Math.min(this.#clock.now() + STALE_REMEMBERED_MS, expiresAt * 1000)",
    to: "this.#clock.now() + STALE_REMEMBERED_MS + 0 * expiresAt",
  },
];
