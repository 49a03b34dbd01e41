// Where a text stops being JSON: browsers do not all say it. Knows no page.

// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON excludes exactly these from a text.
const TEXT = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[\da-fA-F]{4}))*"/y;
const OTHER = /(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)(?![\w.])/y;

/** The position of the first character that cannot stand there; undefined: the text is JSON. @param {string} text */
export function faultAt(text) {
  let at = 0;
  const skip = () => {
    while (at < text.length && " \t\n\r".includes(text.charAt(at))) at += 1;
  };
  const take = (sign) => {
    if (text.charAt(at) !== sign) return false;
    at += 1;
    skip();
    return true;
  };
  const match = (pattern) => {
    pattern.lastIndex = at;
    if (!pattern.test(text)) return false;
    at = pattern.lastIndex;
    skip();
    return true;
  };
  const members = (end, member) => {
    if (take(end)) return true;
    do if (!member()) return false;
    while (take(","));
    return take(end);
  };
  const value = () =>
    take("{")
      ? members("}", () => match(TEXT) && take(":") && value())
      : take("[")
        ? members("]", value)
        : match(TEXT) || match(OTHER);
  skip();
  return value() && at === text.length ? undefined : at;
}
