// A server's form as a person fills it in: what each field asks for, and the value that typed text stands for. Knows no terminal.
import { type ElicitRequestFormParams, type ElicitResult, fromJsonSchema } from "@modelcontextprotocol/client";

export type Question = Pick<ElicitRequestFormParams, "message" | "requestedSchema">;
export type Answer = ElicitResult;

type Content = NonNullable<ElicitResult["content"]>;
type Value = Content[string];
type Field = Question["requestedSchema"]["properties"][string];

/** Asks for one field after the other, again where what was typed does not fit. */
export async function fillIn(
  { properties, required = [] }: Question["requestedSchema"],
  read: (prompt: string) => Promise<string>,
): Promise<Content> {
  const content: Content = {};
  for (const [name, field] of Object.entries(properties)) {
    const value = await readField(name, field, required.includes(name), read);
    if (value !== undefined) content[name] = value;
  }
  return content;
}

async function readField(
  name: string,
  field: Field,
  isRequired: boolean,
  read: (prompt: string) => Promise<string>,
): Promise<Value | undefined> {
  const check = fromJsonSchema<Value>(field as Parameters<typeof fromJsonSchema>[0])["~standard"];
  const prompt = `${promptFor(name, field, isRequired)}: `;
  for (let why = ""; ; ) {
    const text = (await read(why + prompt)).trim();
    if (text === "" && field.default !== undefined) return field.default;
    if (text === "" && !isRequired) return undefined;
    const checked = await check.validate(valueFrom(field, text));
    if (!checked.issues) return checked.value;
    why = `(${checked.issues.map(({ message }) => message).join("; ")}) `;
  }
}

function promptFor(name: string, field: Field, isRequired: boolean): string {
  const { title = name, description, default: fallback } = field;
  const hints = [
    field.type === "boolean"
      ? "yes or no"
      : choicesOf(field)
          .map(({ title }) => title)
          .join(" or "),
    field.type === "array" ? "several with commas between" : "",
    fallback === undefined ? "" : `default ${fallback}`,
    isRequired || fallback !== undefined ? "" : "may be left empty",
  ].filter((hint) => hint !== "");
  return [title, description && `– ${description}`, hints.length > 0 && `(${hints.join("; ")})`]
    .filter(Boolean)
    .join(" ");
}

/** What there is to choose from, as it is shown and as it is sent. */
function choicesOf(field: Field): readonly { const: string; title: string }[] {
  const from = field.type === "array" ? field.items : field;
  if ("oneOf" in from) return from.oneOf;
  if ("anyOf" in from) return from.anyOf;
  return "enum" in from ? from.enum.map((value) => ({ const: value, title: value })) : [];
}

/** What does not fit stays text, and the field's schema says why. */
function valueFrom(field: Field, text: string): Value {
  const chosen = (typed: string) =>
    choicesOf(field).find((choice) => [choice.title, choice.const].includes(typed))?.const ?? typed;
  switch (field.type) {
    case "boolean":
      return /^(y|yes|true)$/i.test(text) || (/^(n|no|false)$/i.test(text) ? false : text);
    case "number":
    case "integer":
      return Number.isFinite(Number(text)) ? Number(text) : text;
    case "array":
      return text.split(",").map((part) => chosen(part.trim()));
    default:
      return chosen(text);
  }
}
