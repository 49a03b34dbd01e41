import { expect, it } from "vitest";
import { argumentsFrom } from "./call.ts";

const schema = {
  properties: { note: { type: "string" }, by: { type: "number" }, value: {}, confirm: { type: "boolean" } },
};

it.each([
  [["note=12"], { note: "12" }],
  [["note=a=b"], { note: "a=b" }],
  [["by=2", "confirm=true"], { by: 2, confirm: true }],
  [['value={"a":[1]}'], { value: { a: [1] } }],
  [["value=plain words"], { value: "plain words" }],
  [["value:=null", "note:=12"], { value: null, note: 12 }],
  [["unknown=x"], { unknown: "x" }],
  [[], {}],
])("%j are the arguments %j", (words, expected) => {
  expect(argumentsFrom(words, schema)).toEqual(expected);
});

it.each(["note", "=x", "value:=plain"])("%j is refused with its words", (word) => {
  expect(() => argumentsFrom([word], schema)).toThrow(JSON.stringify(word));
});
