import { ColloquyError, describeType, quoted } from "@colloquy/core";

/**
 * Checks that options have no other names than these: what is misspelt would be ignored.
 *
 * @throws ColloquyError `INVALID_ARGUMENT`
 */
export function checkOptionNames(options: unknown, known: readonly string[], where: string): void {
  if (typeof options !== "object" || options === null) {
    throw new ColloquyError("INVALID_ARGUMENT", `options of ${where} are ${describeType(options)}, no object`);
  }
  const unknown = Object.keys(options).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  const reason = `unknown option ${quoted(unknown)} of ${where}; the options are ${known.join(", ")}`;
  throw new ColloquyError("INVALID_ARGUMENT", reason);
}
