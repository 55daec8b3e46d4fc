const IDENTIFIER = /^[\p{ID_Start}$_][\p{ID_Continue}$]*/u;
const HEAD = /^(?:async\s+)?(?:function\b\s*)?\*?\s*(?:[\p{ID_Start}$_#][\p{ID_Continue}$]*|\[[^\]]*\]|"[^"]*"|'[^']*')?\s*\(/u;
const SINGLE_ARROW = /^(?:async\s+)?([\p{ID_Start}$_][\p{ID_Continue}$]*)\s*=>/u;
const COMMENTS = /\/\*[\s\S]*?\*\/|\/\/[^\n]*/g;

/** Stands for a rest parameter. */
export const REST = "...";

/**
 * Names of a function's parameters, from its source; "" in the place of a pattern, `REST` for a rest parameter. Empty where
 * the source can't be read (native and bound functions).
 */
export function parameterNames(fn: (...args: never[]) => unknown): string[] {
  const source = Function.prototype.toString.call(fn).replace(COMMENTS, "");
  const single = SINGLE_ARROW.exec(source);
  if (single !== null) return [single[1]!];
  const head = HEAD.exec(source);
  if (head === null || source.includes("[native code]")) return [];
  return splitParameters(source, head[0].length).map((text) => (text.startsWith(REST) ? REST : (IDENTIFIER.exec(text)?.[0] ?? "")));
}

/** Cuts the list that starts at `start`, behind its parenthesis, at the commas that are its own. */
function splitParameters(source: string, start: number): string[] {
  const parts: string[] = [];
  let depth = 0;
  let from = start;
  for (let index = start; index < source.length; index++) {
    const character = source[index]!;
    if (character === '"' || character === "'" || character === "`") index = endOfQuote(source, index, character);
    else if ("([{".includes(character)) depth++;
    else if (depth > 0 && ")]}".includes(character)) depth--;
    else if (depth === 0 && (character === "," || character === ")")) {
      const part = source.slice(from, index).trim();
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
