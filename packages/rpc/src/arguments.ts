import { quoted, refusal } from "@colloquy/core";
import type { Exposed } from "./members.ts";
import { REST } from "./parameters.ts";

/**
 * Puts keyword arguments among the positional ones: each in the place of its parameter where all of them are names of
 * parameters, else all together as one object behind the positional ones.
 *
 * @throws ColloquyError `INVALID_ARGUMENT` for a parameter that got two values, and for an unknown name where the exposed
 * function declares its parameters.
 */
export function bindKeywords(exposed: Exposed, args: unknown[], kwargs: Record<string, unknown>): void {
  const names = Object.keys(kwargs);
  const { params } = exposed;
  const unknown = names.find((name) => name === "" || name === REST || !params.includes(name));
  if (unknown === undefined) {
    const given = args.length;
    for (const name of names) {
      const place = params.indexOf(name);
      if (place < given) throw refusal("INVALID_ARGUMENT", `parameter ${quoted(name)} got two values`);
      // An argument that is left out stands as undefined, so that its default applies.
      while (args.length < place) args.push(undefined);
      args[place] = kwargs[name];
    }
  } else if (exposed.options.params !== undefined) {
    const known = exposed.options.params.join(", ");
    throw refusal("INVALID_ARGUMENT", `no parameter ${quoted(unknown)}; the parameters are ${known}`);
  } else args.push(kwargs);
}

/** The arguments with the context in its own place: what a caller sends there is dropped, it can't pass for a context. */
export function placeContext(exposed: Exposed, args: readonly unknown[], context: unknown): unknown[] {
  const place = exposed.contextPlace === Infinity ? args.length : exposed.contextPlace;
  const placed = args.slice(0, place);
  while (placed.length < place) placed.push(undefined);
  placed.push(context);
  return placed;
}

/** Most calls have no keyword arguments. */
export function hasKeys(kwargs: Record<string, unknown>): boolean {
  for (const key in kwargs) if (Object.hasOwn(kwargs, key)) return true;
  return false;
}
