// What a conversation is made of, and what every language model behind it can do. Knows no provider and no server.

export type JsonObject = { [key: string]: unknown };

export interface ToolSpec {
  readonly name: string;
  readonly description: string;
  readonly inputSchema: JsonObject;
}

export interface ToolCall {
  readonly id: string;
  readonly name: string;
  readonly input: JsonObject;
}

export interface ToolResult {
  /** Of the call that it answers. */
  readonly id: string;
  readonly text: string;
  readonly failed: boolean;
}

/** Roles alternate, beginning with the user. Each call of an assistant's message has its result in the next message. */
export type Message =
  | { readonly role: "user"; readonly text: string }
  | { readonly role: "assistant"; readonly text: string; readonly calls: readonly ToolCall[] }
  | { readonly role: "tools"; readonly results: readonly ToolResult[] };

export interface ModelRequest {
  readonly system: string;
  readonly messages: readonly Message[];
  readonly tools: readonly ToolSpec[];
  readonly signal: AbortSignal;
}

/** A piece of text as it arrives, or one whole call. */
export type Piece = { readonly text: string } | { readonly call: ToolCall };

export interface Model {
  readonly name: string;
  /** One message of the assistant, piece by piece. Throws when the model cannot be reached or `signal` aborts. */
  reply(request: ModelRequest): AsyncIterable<Piece>;
}
