import { ColloquyError } from "./errors.ts";
import { isMap } from "./lower-lift.ts";
import { ownName } from "./own-name.ts";
import type { Class } from "./serializers.ts";

type Triple<T> = readonly [
  type: Class<T>,
  serialize: (value: T) => Record<string, unknown>,
  deserialize: (data: unknown) => T,
];

/** What `@serializable` adds to a class. */
export interface SerializableClass<T> {
  /** `codec.addSerializer(...A.serializer)` */
  readonly serializer: Triple<T>;
}

/**
 * A class decorator for plain records: the instance's own enumerable fields cross, by name, and the instance on the other side
 * gets them without its constructor being called. Use `codec.addSerializer(...A.serializer)`, or `() => A.serializer`
 * among the extra serializers. Without decorators: `serializable(A)`. A decorator can't change the type of its class; TypeScript
 * learns of `A.serializer` by `declare static readonly serializer: SerializableClass<A>["serializer"]` in the class.
 *
 * Where fields are not all there is (private `#fields`, invariants of a constructor) write a serializer instead.
 */
export function serializable<C extends Class>(
  target: C,
  _context?: ClassDecoratorContext,
): C & SerializableClass<C["prototype"]> {
  const prototype = target.prototype as object;
  const triple: Triple<unknown> = [
    target,
    (value) => ({ ...(value as Record<string, unknown>) }),
    (data) => {
      if (!isMap(data)) throw new ColloquyError("INVALID_ARGUMENT", `the fields of ${ownName(target)} are no map`);
      const instance = Object.create(prototype) as Record<string, unknown>;
      for (const [name, value] of Object.entries(data)) {
        Object.defineProperty(instance, name, { value, writable: true, enumerable: true, configurable: true });
      }
      return instance;
    },
  ];
  Object.defineProperty(target, "serializer", { value: Object.freeze(triple), configurable: true });
  return target as C & SerializableClass<C["prototype"]>;
}
