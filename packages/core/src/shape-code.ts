import { compileFunction } from "node:vm";

/** What writes the values of maps of one shape. */
export interface ValueWriter {
  write(value: unknown, depth: number): void;
  /** The error, with the key under which it came up. */
  within(error: unknown, key: string): unknown;
}

/** What reads them. */
export interface ValueReader {
  read(depth: number): unknown;
  within(error: unknown, key: string): unknown;
}

/** Writes the values of a map; `depth` is that of each value. */
export type ShapeWriter = (writer: ValueWriter, map: object, depth: number) => void;
/** Reads as many values as the shape has keys, and makes the map. */
export type ShapeReader = (reader: ValueReader, depth: number) => object;

/**
 * Compiles what writes maps with these keys, so that the engine sees fixed properties instead of names in variables. Keys stand in
 * the code as string literals and nowhere else. Undefined where the runtime compiles no code.
 */
export function compileWriter(keys: readonly string[]): ShapeWriter | undefined {
  const writes = literals(keys).map((key, index) => `at = ${index}; writer.write(map[${key}], depth);`);
  return compile(writes.join(" "), keys, ["writer", "map", "depth"]) as ShapeWriter | undefined;
}

/** The same for what reads them: the engine makes the object in one step. */
export function compileReader(keys: readonly string[]): ShapeReader | undefined {
  const values = literals(keys).map((key, index) => `${key}: (at = ${index}, reader.read(depth))`);
  return compile(`return { ${values.join(", ")} };`, keys, ["reader", "depth"]) as ShapeReader | undefined;
}

/** The first of the parameters has `within`. */
function compile(body: string, keys: readonly string[], parameters: string[]): unknown {
  const place = `[${literals(keys).join(", ")}][at]`;
  try {
    return compileFunction(
      `let at = 0; try { ${body} } catch (error) { throw ${parameters[0]}.within(error, ${place}); }`,
      parameters,
    );
  } catch {
    return undefined;
  }
}

function literals(keys: readonly string[]): string[] {
  return keys.map((key) => JSON.stringify(key));
}

/** What writes maps with these keys without compiling. */
export function loopWriter(keys: readonly string[]): ShapeWriter {
  return (writer, map, depth) => {
    let at = 0;
    try {
      for (; at < keys.length; at++) writer.write((map as Record<string, unknown>)[keys[at]!], depth);
    } catch (error) {
      throw writer.within(error, keys[at]!);
    }
  };
}

/** What reads them without compiling. */
export function loopReader(keys: readonly string[]): ShapeReader {
  return (reader, depth) => {
    const map: Record<string, unknown> = {};
    let at = 0;
    try {
      for (; at < keys.length; at++) map[keys[at]!] = reader.read(depth);
    } catch (error) {
      throw reader.within(error, keys[at]!);
    }
    return map;
  };
}
