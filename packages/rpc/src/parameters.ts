const NAME = String.raw`[\p{ID_Start}$_][\p{ID_Continue}$]*`;
/** Spaces and comments. */
const GAP = String.raw`(?:\s|\/\*[\s\S]*?\*\/|\/\/[^\n]*\n)*`;
const MEMBER = String.raw`#?${NAME}|\[[^\]]*\]|"[^"]*"|'[^']*'|\d+`;
const HEAD = new RegExp(String.raw`^(?:async\b)?${GAP}(?:function\b)?${GAP}\*?${GAP}(?:${MEMBER})?${GAP}\(`, "u");
const SINGLE_ARROW = new RegExp(String.raw`^(?:async\b${GAP})?(${NAME})${GAP}=>`, "u");
const LEADING_GAP = new RegExp(`^${GAP}`, "u");
const LEADING_NAME = new RegExp(`^${NAME}`, "u");

/** Stands for a rest parameter. */
export const REST = "...";

/**
 * Names of a function's parameters, from its source; "" in the place of a pattern, `REST` for a rest parameter. Empty where
 * the source can't be read (native and bound functions).
 */
export function parameterNames(fn: (...args: never[]) => unknown): string[] {
  const source = Function.prototype.toString.call(fn);
  const single = SINGLE_ARROW.exec(source);
  if (single !== null) return [single[1]!];
  const head = HEAD.exec(source);
  if (head === null || source.endsWith("{ [native code] }")) return [];
  return splitParameters(source, head[0].length).map((text) =>
    text.startsWith(REST) ? REST : (LEADING_NAME.exec(text)?.[0] ?? ""),
  );
}

/** Cuts the list that starts at `start`, behind its parenthesis, at the commas that are its own. */
function splitParameters(source: string, start: number): string[] {
  const parts: string[] = [];
  let depth = 0;
  let from = start;
  for (let index = start; index < source.length; index++) {
    const character = source[index]!;
    if (`"'\``.includes(character)) index = endOfQuote(source, index, character);
    else if (character === "/") index = endOfComment(source, index);
    else if ("([{".includes(character)) depth++;
    else if (depth > 0 && ")]}".includes(character)) depth--;
    else if (depth === 0 && (character === "," || character === ")")) {
      const part = source.slice(from, index).replace(LEADING_GAP, "");
      if (part !== "") parts.push(part);
      from = index + 1;
      if (character === ")") return parts;
    }
  }
  return [];
}

function endOfQuote(source: string, start: number, quote: string): number {
  for (let index = start + 1; index < source.length; index++) {
    if (source[index] === "\\") index++;
    else if (source[index] === quote) return index;
  }
  return source.length;
}

/** The last character of a comment that starts here; the slash itself where it starts none. */
function endOfComment(source: string, start: number): number {
  const next = source[start + 1];
  if (next !== "*" && next !== "/") return start;
  const end = next === "*" ? source.indexOf("*/", start + 2) + 1 : source.indexOf("\n", start);
  return end > start ? end : source.length;
}
