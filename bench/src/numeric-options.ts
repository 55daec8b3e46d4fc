import { parseArgs } from "node:util";

/** What a command was given: `numbers` by the names of their options. */
export interface IntegerOptions<N extends string> {
  readonly numbers: Readonly<Record<N, number>>;
  readonly smoke: boolean;
}

/** Reads options that take whole numbers above 0, and `--smoke`. Undefined for `--help`. */
export function integerOptions<N extends string>(
  args: readonly string[],
  defaults: Readonly<Record<N, number>>,
): IntegerOptions<N> | undefined {
  const names = Object.keys(defaults) as N[];
  const texts = names.map((name) => [name, { type: "string", default: String(defaults[name]) }] as const);
  const flag = { type: "boolean", default: false } as const;
  const { values } = parseArgs({ args: [...args], options: { ...Object.fromEntries(texts), smoke: flag, help: flag } });
  const { smoke, help, ...given } = values;
  if (help) return undefined;
  const numberOf = (name: N): number => positiveInteger(`--${name}`, (given as Record<N, string>)[name]);
  const numbers = Object.fromEntries(names.map((name) => [name, numberOf(name)])) as Record<N, number>;
  return { numbers, smoke };
}

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
