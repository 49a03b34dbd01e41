import { expect, it } from "vitest";
import { bannerRows, wrapped } from "./banner.ts";

it("breaks lines between words, and leaves a word that is too long whole", () => {
  expect(wrapped("create_session list_sessions session_info", 42)).toBe(
    "create_session list_sessions\n            session_info",
  );
  expect(wrapped("x".repeat(50), 32)).toBe("x".repeat(50));
  expect(wrapped("short", 80)).toBe("short");
});

it("breaks no line that holds a command to copy", () => {
  const command = "Claude Code: claude mcp add --transport http memory http://127.0.0.1:3333/mcp";
  const started = { at: "stdio", location: "/data", access: "this machine", connect: ["first", command] } as const;
  const rows = bannerRows(["add_note", "get_notes", "echo"], started, 30);
  expect(rows.at(-1)).toContain(command);
  expect(rows.join("\n")).toContain("add_note get_notes\n            echo");
});
