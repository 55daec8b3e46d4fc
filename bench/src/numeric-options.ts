/** The value of an option that takes a number above 0. */
export function positiveNumber(option: string, text: string): number {
  const value = Number(text);
  if (!(value > 0 && value < Infinity)) throw new Error(`${option} wants a positive number, not ${text}`);
  return value;
}

/** The value of an option that takes a whole number above 0. */
export function positiveInteger(option: string, text: string): number {
  const value = positiveNumber(option, text);
  if (!Number.isInteger(value)) throw new Error(`${option} wants a whole number, not ${text}`);
  return value;
}

/** The names that an option lists, in the order of `known`; all without the option. */
export function chosenNames(option: string, list: string | undefined, known: readonly string[]): readonly string[] {
  if (list === undefined) return known;
  const wanted = list.split(",").map((name) => name.trim());
  const stranger = wanted.find((name) => !known.includes(name));
  if (stranger !== undefined) throw new Error(`${option}: no ${stranger} (there are ${known.join(", ")})`);
  return known.filter((name) => wanted.includes(name));
}
