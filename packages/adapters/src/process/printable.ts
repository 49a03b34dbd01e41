// Text of others on a terminal: a note, a server's name, an error may hold characters by which a terminal is told to do something, or
// that show text in another order than it has. Knows not what is printed.

/** Controls but for the tab and the end of a line, marks of direction, separators of lines. */
const COMMANDS = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;

/** The same text with such characters written out as JSON does, `\u001b`: in JSON it stands for the same value. */
export const printable = (text: string): string =>
  text.replace(COMMANDS, (character) =>
    character === "\n" || character === "\t"
      ? character
      : `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
