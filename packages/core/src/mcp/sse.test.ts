// An answer that is long in coming: its connection must not be silent meanwhile.
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { answerInTime, KEEP_ALIVE_MS, openSse } from "./sse.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval"] });
});

afterEach(() => {
  vi.useRealTimers();
});

it("an answer that comes soon is passed on as it is, and leaves no timer", async () => {
  const answer = Response.json({ id: 1 });
  expect(await answerInTime(Promise.resolve(answer))).toBe(answer);
  expect(vi.getTimerCount()).toBe(0);
});

it("an answer that comes late is said on a stream that was kept alive", async () => {
  const answer = Promise.withResolvers<Response>();
  const given = answerInTime(answer.promise);
  await vi.advanceTimersByTimeAsync(2 * KEEP_ALIVE_MS);
  const response = await given;
  answer.resolve(Response.json({ id: 1 }));
  expect(response.headers.get("content-type")).toBe("text/event-stream");
  expect(await response.text()).toBe(': keep-alive\n\n: keep-alive\n\nevent: message\ndata: {"id":1}\n\n');
  expect(vi.getTimerCount()).toBe(0);
});

it("a late answer that is itself a stream is passed on event by event", async () => {
  const answer = Promise.withResolvers<Response>();
  const given = answerInTime(answer.promise);
  await vi.advanceTimersByTimeAsync(KEEP_ALIVE_MS);
  const inner = openSse();
  inner.send({ data: "1" });
  answer.resolve(inner.response);
  inner.send({ data: "2" });
  inner.close();
  const said = "event: message\ndata: 1\n\nevent: message\ndata: 2\n\n";
  expect(await (await given).text()).toBe(`: keep-alive\n\n${said}`);
});

it("a stream of which nothing is read has room up to a bound, and again once it has been read or is closed", async () => {
  const sse = openSse();
  let room = 0;
  const writeAll = async () => {
    for (let i = 0; i < 100; i++) {
      await sse.room();
      if (sse.closed) return;
      room += 1;
      sse.send({ data: "x".repeat(100_000) });
    }
  };
  const writing = writeAll();
  await vi.advanceTimersByTimeAsync(1);
  expect(room).toBe(11);
  const reader = sse.response.body?.getReader();
  for (let i = 0; i < 5; i++) await reader?.read();
  await vi.advanceTimersByTimeAsync(1);
  expect(room).toBe(16);
  sse.close();
  await writing;
  expect(room).toBe(16);
});
