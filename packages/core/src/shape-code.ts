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

export interface ShapeCode {
  readonly write: ShapeWriter;
  readonly read: ShapeReader;
}

/** Functions of shapes that connections share; it starts anew when it is full. */
const compiled = new Map<string, ShapeCode>();
const MAX_COMPILED_COUNT = 1024;

/**
 * Functions for maps with these keys. They are compiled, so that the engine sees fixed properties instead of names in variables:
 * making a map is about ten times as fast. Keys stand in the code as string literals and nowhere else. Where the runtime compiles
 * no code, loops do the same.
 */
export function compileShape(keys: readonly string[]): ShapeCode {
  const name = JSON.stringify(keys);
  const known = compiled.get(name);
  if (known !== undefined) return known;
  if (compiled.size >= MAX_COMPILED_COUNT) compiled.clear();
  const code = tryCompile(keys) ?? loops(keys);
  compiled.set(name, code);
  return code;
}

function tryCompile(keys: readonly string[]): ShapeCode | undefined {
  const literals = keys.map((key) => JSON.stringify(key));
  const values = literals.map((key, index) => `${key}: (at = ${index}, reader.read(depth))`);
  const writes = literals.map((key, index) => `at = ${index}; writer.write(map[${key}], depth);`);
  const guarded = (body: string, codec: string): string =>
    `let at = 0; try { ${body} } catch (error) { throw ${codec}.within(error, [${literals.join(", ")}][at]); }`;
  try {
    return {
      write: compileFunction(guarded(writes.join(" "), "writer"), ["writer", "map", "depth"]) as ShapeWriter,
      read: compileFunction(guarded(`return { ${values.join(", ")} };`, "reader"), ["reader", "depth"]) as ShapeReader,
    };
  } catch {
    return undefined;
  }
}

/** @internal The same without compiling. */
export function loops(keys: readonly string[]): ShapeCode {
  return {
    write: (writer, map, depth) => {
      for (const key of keys) {
        try {
          writer.write((map as Record<string, unknown>)[key], depth);
        } catch (error) {
          throw writer.within(error, key);
        }
      }
    },
    read: (reader, depth) => {
      const map: Record<string, unknown> = {};
      for (const key of keys) {
        try {
          map[key] = reader.read(depth);
        } catch (error) {
          throw reader.within(error, key);
        }
      }
      return map;
    },
  };
}
