// The part of the conformance fixture that asks its client: for input, for a model's words, for its roots.
import {
  acceptedContent,
  type ContentBlock,
  definePrompt,
  defineTool,
  inputRequired,
  inputResponse,
  type Prompt,
  type Tool,
  type ToolContext,
} from "@stateful-mcp/core";
import * as z from "zod";

type Result = { content: ContentBlock[] };
const text = (words: string): Result => ({ content: [{ type: "text", text: words }] });

function asking(
  name: string,
  description: string,
  run: (context: ToolContext) => Result | ReturnType<typeof inputRequired>,
): Tool {
  return defineTool({
    name,
    description,
    input: z.object({}),
    session: "none",
    run: (_, context) => run(context),
  });
}

const elicit = (message: string, schema: z.ZodObject) => inputRequired.elicit({ message, requestedSchema: schema });
const sample = (words: string, maxTokens = 100) =>
  inputRequired.createMessage({ messages: [{ role: "user", content: { type: "text", text: words } }], maxTokens });

const nameForm = z.object({ name: z.string() });
const colorForm = z.object({ color: z.string() });
const okForm = z.object({ ok: z.boolean() });
const contextForm = z.object({ context: z.string() });

/** What a model answered to the question of this name; undefined when it has not. */
function sampled({ answers }: ToolContext, name: string): string | undefined {
  const answer = inputResponse(answers, name);
  return answer.kind === "sampling" ? JSON.stringify(answer.result.content) : undefined;
}

const inputRequiredTools: Tool[] = [
  asking("test_input_required_result_elicitation", "Asks for a name.", ({ answers }) => {
    const given = acceptedContent(answers, "user_name", nameForm);
    if (given) return text(`Hello, ${given.name}!`);
    return inputRequired({ inputRequests: { user_name: elicit("What is your name?", nameForm) } });
  }),
  asking("test_input_required_result_sampling", "Asks the client's model.", (context) => {
    const words = sampled(context, "capital_question");
    if (words !== undefined) return text(words);
    return inputRequired({ inputRequests: { capital_question: sample("What is the capital of France?") } });
  }),
  asking("test_input_required_result_list_roots", "Asks for the client's roots.", ({ answers }) => {
    const answer = inputResponse(answers, "client_roots");
    if (answer.kind === "roots") return text(answer.roots.map(({ uri }) => uri).join(", "));
    return inputRequired({ inputRequests: { client_roots: inputRequired.listRoots() } });
  }),
  asking("test_input_required_result_request_state", "Wants its state back.", ({ answers, requestState }) => {
    if (requestState === "asked" && acceptedContent(answers, "confirm", okForm)) return text("state-ok");
    return inputRequired({ inputRequests: { confirm: elicit("Please confirm", okForm) }, requestState: "asked" });
  }),
  asking("test_input_required_result_multiple_inputs", "Asks for three things at once.", (context) => {
    const given = acceptedContent(context.answers, "user_name", nameForm);
    const greeting = sampled(context, "greeting");
    const roots = inputResponse(context.answers, "client_roots");
    if (context.requestState && given && greeting !== undefined && roots.kind === "roots")
      return text(`${greeting} ${given.name}, ${roots.roots.length} roots`);
    return inputRequired({
      inputRequests: {
        user_name: elicit("What is your name?", nameForm),
        greeting: sample("Generate a greeting", 50),
        client_roots: inputRequired.listRoots(),
      },
      requestState: "asked",
    });
  }),
  asking("test_input_required_result_multi_round", "Asks twice, one after the other.", ({ answers, requestState }) => {
    const named = requestState?.startsWith("name:") ? requestState.slice("name:".length) : undefined;
    const color = acceptedContent(answers, "step2", colorForm);
    if (named !== undefined && color) return text(`${named} likes ${color.color}.`);
    const first = acceptedContent(answers, "step1", nameForm);
    const name = named ?? (requestState === "begun" ? first?.name : undefined);
    if (name === undefined)
      return inputRequired({
        inputRequests: { step1: elicit("Step 1: What is your name?", nameForm) },
        requestState: "begun",
      });
    return inputRequired({
      inputRequests: { step2: elicit("Step 2: What is your favorite color?", colorForm) },
      requestState: `name:${name}`,
    });
  }),
  asking("test_input_required_result_tampered_state", "Refuses a state that is not its own.", ({ requestState }) => {
    if (requestState === "asked") return text("state-ok");
    return inputRequired({ inputRequests: { confirm: elicit("Please confirm", okForm) }, requestState: "asked" });
  }),
  asking("test_input_required_result_capabilities", "Asks only what the client can answer.", ({ capabilities }) =>
    inputRequired({
      inputRequests: {
        ...(capabilities.elicitation && { user_name: elicit("What is your name?", nameForm) }),
        ...(capabilities.sampling && { greeting: sample("Generate a greeting") }),
      },
    }),
  ),
  asking("test_missing_capability", "Needs a client that can sample.", (context) => {
    const words = sampled(context, "question");
    return words === undefined ? inputRequired({ inputRequests: { question: sample("Say hello") } }) : text(words);
  }),
  asking("test_streaming_elicitation", "Reports progress and then asks.", ({ answers, progress }) => {
    progress(1, 2, "about to ask");
    if (acceptedContent(answers, "confirm", okForm)) return text("confirmed");
    return inputRequired({ inputRequests: { confirm: elicit("Please confirm", okForm) } });
  }),
];

type Question = Parameters<typeof inputRequired.elicit>[0];

/** Asks once and answers with what came, accepted or not. */
function elicited({ answers }: ToolContext, question: Question, before: string) {
  const answer = inputResponse(answers, "form");
  if (answer.kind !== "elicit") return inputRequired({ inputRequests: { form: inputRequired.elicit(question) } });
  return text(`${before}: action=${answer.action}, content=${JSON.stringify(answer.content ?? {})}`);
}

const CHOICES = ["option1", "option2", "option3"];
const titled = (...titles: string[]) => titles.map((title, i) => ({ const: `value${i + 1}`, title }));

const elicitationTools: Tool[] = [
  defineTool({
    name: "test_sampling",
    description: "Asks the client's model.",
    input: z.object({ prompt: z.string() }),
    session: "none",
    run: ({ prompt }, context) => {
      const words = sampled(context, "answer");
      if (words !== undefined) return text(`LLM response: ${words}`);
      return inputRequired({ inputRequests: { answer: sample(prompt) } });
    },
  }),
  defineTool({
    name: "test_elicitation",
    description: "Asks the client's user.",
    input: z.object({ message: z.string() }),
    session: "none",
    run: ({ message }, context) => {
      const requestedSchema = z.object({
        username: z.string().describe("User's response"),
        email: z.string().describe("User's email address"),
      });
      return elicited(context, { message, requestedSchema }, "User response");
    },
  }),
  asking("test_elicitation_sep1034_defaults", "Asks with a default for each primitive type.", (context) => {
    const requestedSchema = z.object({
      name: z.string().default("John Doe"),
      age: z.int().default(30),
      score: z.number().default(95.5),
      status: z.enum(["active", "inactive", "pending"]).default("active"),
      verified: z.boolean().default(true),
    });
    const message = "Please review and update the form fields with defaults";
    return elicited(context, { message, requestedSchema }, "Elicitation completed");
  }),
  asking("test_elicitation_sep1330_enums", "Asks with each kind of choice.", (context) => {
    const requestedSchema = {
      type: "object" as const,
      properties: {
        untitledSingle: { type: "string" as const, enum: CHOICES },
        titledSingle: { type: "string" as const, oneOf: titled("First Option", "Second Option", "Third Option") },
        legacyEnum: {
          type: "string" as const,
          enum: ["opt1", "opt2", "opt3"],
          enumNames: ["Option One", "Option Two", "Option Three"],
        },
        untitledMulti: { type: "array" as const, items: { type: "string" as const, enum: CHOICES } },
        titledMulti: {
          type: "array" as const,
          items: { anyOf: titled("First Choice", "Second Choice", "Third Choice") },
        },
      },
    };
    return elicited(
      context,
      { message: "Please select options from the enum fields", requestedSchema },
      "Elicitation completed",
    );
  }),
];

export const askingTools: Tool[] = [...inputRequiredTools, ...elicitationTools];

export const askingPrompts: Prompt[] = [
  definePrompt({
    name: "test_input_required_result_prompt",
    description: "Asks before it can be given.",
    run: (_, { answers }) => {
      const given = acceptedContent(answers, "user_context", contextForm);
      if (given) return `Use this context: ${given.context}`;
      return inputRequired({
        inputRequests: { user_context: elicit("What context should the prompt use?", contextForm) },
      });
    },
  }),
];
