import { expect, it } from "vitest";
import { wrapped } from "./banner.ts";

it("breaks lines between words, and leaves a word that is too long whole", () => {
  expect(wrapped("create_session list_sessions session_info", 42)).toBe(
    "create_session list_sessions\n            session_info",
  );
  expect(wrapped("x".repeat(50), 32)).toBe("x".repeat(50));
  expect(wrapped("short", 80)).toBe("short");
});
