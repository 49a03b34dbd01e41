// Small stores in memory, one correct and many wrong in a way that real ones have been: each wrong one must be caught by
// its checker. They share no code with the checkers.
import type { Random } from "@stateful-mcp/rig";
import type { NotesInput, NotesOutput } from "./notes.ts";
import type { RegisterInput, RegisterOutput } from "./register.ts";
import { atOnce, type Serving, type Simulated } from "./simulation.ts";

export class SimulatedRegister implements Simulated<RegisterInput, RegisterOutput> {
  protected value: number | undefined;
  protected version = 0;
  protected readonly random: Random;

  constructor(random: Random) {
    this.random = random;
  }

  next(random: Random, last: RegisterOutput | undefined, serial: number): RegisterInput {
    const dice = random.int(1, 100);
    if (dice <= 35) return { op: "get" };
    if (dice <= 60) return { op: "increment", by: random.int(1, 3) };
    const seen = last === undefined ? {} : { ifVersion: last.version ?? 0 };
    if (dice <= 72) return { op: "delete", ...(dice <= 66 ? {} : seen) };
    return { op: "store", value: 1000 * (serial + 1), ...(dice <= 85 ? {} : seen) };
  }

  serve(input: RegisterInput, _client: number): Serving<RegisterOutput> {
    return atOnce(() => this.apply(input));
  }

  protected apply(input: RegisterInput): RegisterOutput {
    switch (input.op) {
      case "get":
        return this.value === undefined ? { found: false } : { found: true, value: this.value, version: this.version };
      case "increment":
        return this.write((this.value ?? 0) + input.by);
      case "delete": {
        const current = this.current;
        if (input.ifVersion !== undefined && input.ifVersion !== current) return { conflict: true, version: current };
        if (current === 0) return { deleted: false };
        this.value = undefined;
        this.version++;
        return { deleted: true };
      }
      case "store": {
        const current = this.current;
        if (input.ifVersion !== undefined && input.ifVersion !== current) return { conflict: true, version: current };
        return { version: this.write(Number(input.value)).version };
      }
    }
  }

  /** 0: no value. */
  protected get current(): number {
    return this.value === undefined ? 0 : this.version;
  }

  protected write(value: number): { value: number; version: number } {
    this.value = value;
    return { value, version: ++this.version };
  }
}

export class SimulatedNotes implements Simulated<NotesInput, NotesOutput> {
  protected notes: string[] = [];
  protected readonly random: Random;

  constructor(random: Random) {
    this.random = random;
  }

  next(random: Random, _last: NotesOutput | undefined, serial: number): NotesInput {
    const dice = random.int(1, 100);
    if (dice <= 50) return { op: "append", note: `note ${serial}` };
    return dice <= 85 ? { op: "read" } : { op: "reset" };
  }

  serve(input: NotesInput, _client: number): Serving<NotesOutput> {
    return atOnce(() => this.apply(input));
  }

  protected apply(input: NotesInput): NotesOutput {
    switch (input.op) {
      case "append":
        this.notes.push(input.note);
        return { count: this.notes.length, id: input.note };
      case "read":
        return { notes: [...this.notes] };
      case "reset":
        return { cleared: this.notes.splice(0).length };
    }
  }
}

type RegisterBug = new (random: Random) => SimulatedRegister;
type NotesBug = new (random: Random) => SimulatedNotes;

export const registerBugs: Readonly<Record<string, RegisterBug>> = {
  "lost update": class extends SimulatedRegister {
    override *serve(input: RegisterInput, client: number): Serving<RegisterOutput> {
      if (input.op !== "increment") return yield* super.serve(input, client);
      const read = this.value ?? 0;
      yield;
      return this.write(read + input.by);
    }
  },

  "compare, then set": class extends SimulatedRegister {
    override *serve(input: RegisterInput, client: number): Serving<RegisterOutput> {
      if (input.op !== "store" || input.ifVersion === undefined) return yield* super.serve(input, client);
      const { current } = this;
      if (current !== input.ifVersion) return { conflict: true, version: current };
      yield;
      yield;
      return { version: this.write(Number(input.value)).version };
    }
  },

  "stale read": class extends SimulatedRegister {
    #before: RegisterOutput = { found: false };

    protected override apply(input: RegisterInput): RegisterOutput {
      if (input.op === "get") return this.random.chance(0.3) ? this.#before : super.apply(input);
      this.#before = super.apply({ op: "get" });
      return super.apply(input);
    }
  },

  "double apply on retry": class extends SimulatedRegister {
    protected override apply(input: RegisterInput): RegisterOutput {
      const answer = super.apply(input);
      if (input.op === "increment" && this.random.chance(0.1)) super.apply(input);
      return answer;
    }
  },

  "false conflict on retry": class extends SimulatedRegister {
    protected override apply(input: RegisterInput): RegisterOutput {
      const answer = super.apply(input);
      const retried = input.op === "store" && input.ifVersion !== undefined && !answer.conflict;
      return retried && this.random.chance(0.5) ? { conflict: true, version: this.version } : answer;
    }
  },

  "dropped acknowledged write": class extends SimulatedRegister {
    protected override apply(input: RegisterInput): RegisterOutput {
      const { value, version } = this;
      const answer = super.apply(input);
      if (input.op === "store" && this.random.chance(0.15)) Object.assign(this, { value, version });
      return answer;
    }
  },

  "update revives a deleted value": class extends SimulatedRegister {
    override *serve(input: RegisterInput, client: number): Serving<RegisterOutput> {
      if (input.op !== "increment" || this.value === undefined) return yield* super.serve(input, client);
      const kept = this.value;
      for (let wait = 0; wait < 3; wait++) yield;
      this.value ??= kept;
      return this.apply(input);
    }
  },

  "late duplicate of an old write": class extends SimulatedRegister {
    override *serve(input: RegisterInput, client: number): Serving<RegisterOutput> {
      const answer = yield* super.serve(input, client);
      if (input.op === "store" && !answer.conflict) this.#zombies.push(Number(input.value));
      else if (this.#zombies.length > 0 && this.random.chance(0.15)) this.value = this.#zombies.shift();
      return answer;
    }

    readonly #zombies: number[] = [];
  },

  "version starts again after a delete": class extends SimulatedRegister {
    protected override apply(input: RegisterInput): RegisterOutput {
      const answer = super.apply(input);
      if (answer.deleted) this.version = 0;
      return answer;
    }
  },

  "delete of whatever stands there": class extends SimulatedRegister {
    protected override apply(input: RegisterInput): RegisterOutput {
      return super.apply(input.op === "delete" ? { op: "delete" } : input);
    }
  },
};

export const notesBugs: Readonly<Record<string, NotesBug>> = {
  "torn reset": class extends SimulatedNotes {
    override *serve(input: NotesInput, client: number): Serving<NotesOutput> {
      if (input.op !== "reset") return yield* super.serve(input, client);
      const cleared = this.notes.length;
      this.notes.splice(0, Math.ceil(cleared / 2));
      yield;
      this.notes.splice(0);
      return { cleared };
    }
  },

  "append into a generation that was reset": class extends SimulatedNotes {
    override *serve(input: NotesInput, client: number): Serving<NotesOutput> {
      if (input.op === "reset") {
        const cleared = this.notes.length;
        this.notes = [];
        return { cleared };
      }
      if (input.op === "read") return yield* super.serve(input, client);
      const { notes } = this;
      yield;
      return { count: notes.push(input.note), id: input.note };
    }
  },

  "dropped acknowledged append": class extends SimulatedNotes {
    protected override apply(input: NotesInput): NotesOutput {
      const answer = super.apply(input);
      if (input.op === "append" && this.random.chance(0.1)) this.notes.pop();
      return answer;
    }
  },

  "duplicate append": class extends SimulatedNotes {
    protected override apply(input: NotesInput): NotesOutput {
      const answer = super.apply(input);
      if (input.op === "append" && this.random.chance(0.1)) this.notes.push(input.note);
      return answer;
    }
  },

  "reordered log": class extends SimulatedNotes {
    protected override apply(input: NotesInput): NotesOutput {
      const answer = super.apply(input);
      if (input.op === "append" && this.random.chance(0.3)) this.notes.splice(-2, 0, ...this.notes.splice(-1));
      return answer;
    }
  },

  "one position for two appends": class extends SimulatedNotes {
    override *serve(input: NotesInput, client: number): Serving<NotesOutput> {
      if (input.op !== "append") return yield* super.serve(input, client);
      const at = this.notes.length;
      yield;
      this.notes[Math.min(at, this.notes.length)] = input.note;
      return { count: at + 1, id: input.note };
    }
  },

  "stale read of notes": class extends SimulatedNotes {
    #before: string[] = [];

    protected override apply(input: NotesInput): NotesOutput {
      if (input.op === "read") return this.random.chance(0.3) ? { notes: this.#before } : super.apply(input);
      this.#before = [...this.notes];
      return super.apply(input);
    }
  },

  "notes that survive a reset": class extends SimulatedNotes {
    protected override apply(input: NotesInput): NotesOutput {
      const last = this.notes.at(-1);
      const answer = super.apply(input);
      if (input.op === "reset" && last !== undefined && this.random.chance(0.3)) this.notes.push(last);
      return answer;
    }
  },

  "answered before it is there": class extends SimulatedNotes {
    readonly #waiting: string[] = [];

    protected override apply(input: NotesInput): NotesOutput {
      if (input.op !== "append") return super.apply(input);
      if (this.random.chance(0.3)) this.#waiting.push(input.note);
      else this.notes.push(input.note, ...this.#waiting.splice(0));
      return { id: input.note };
    }
  },
};
