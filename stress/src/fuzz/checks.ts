import { inspect } from "node:util";

/** What no input may change. */
const builtins: Readonly<Record<string, object>> = {
  "Object.prototype": Object.prototype,
  "Function.prototype": Function.prototype,
  "Array.prototype": Array.prototype,
  "Map.prototype": Map.prototype,
  "Set.prototype": Set.prototype,
  "Date.prototype": Date.prototype,
  "URL.prototype": URL.prototype,
  "Error.prototype": Error.prototype,
  "Promise.prototype": Promise.prototype,
  "String.prototype": String.prototype,
  "Number.prototype": Number.prototype,
  "Symbol.prototype": Symbol.prototype,
  "Uint8Array.prototype": Uint8Array.prototype,
  "Buffer.prototype": Buffer.prototype,
  "ArrayBuffer.prototype": ArrayBuffer.prototype,
  Object,
  Array,
  Error,
};

type Descriptors = Readonly<Record<PropertyKey, PropertyDescriptor>>;

/** Prototypes as they are now. */
export class BuiltinsWatch {
  readonly #before: ReadonlyMap<object, Descriptors> = new Map(
    Object.values(builtins).map((object) => [object, Object.getOwnPropertyDescriptors(object) as Descriptors]),
  );

  /** What has changed; undefined where nothing has. */
  changed(): string | undefined {
    for (const [name, object] of Object.entries(builtins)) {
      const before = this.#before.get(object)!;
      const now = Object.getOwnPropertyDescriptors(object) as Descriptors;
      const key = [...Reflect.ownKeys(before), ...Reflect.ownKeys(now)].find((one) => !isSame(before[one], now[one]));
      // The engine's own switch for stacks, which this program turns.
      if (key !== undefined && !(object === Error && key === "stackTraceLimit"))
        return `${name}.${String(key)} has changed`;
    }
    return undefined;
  }
}

function isSame(a: PropertyDescriptor | undefined, b: PropertyDescriptor | undefined): boolean {
  if (a === undefined || b === undefined) return false;
  return a.value === b.value && a.get === b.get && a.set === b.set && a.writable === b.writable;
}

/** What the process tells of that nobody waits for: rejections, exceptions, warnings. */
export class Troubles {
  #first: string | undefined;

  constructor() {
    process.on("unhandledRejection", (reason) => this.#note(`unhandled rejection: ${inspect(reason)}`));
    process.on("uncaughtException", (error) => this.#note(`uncaught exception: ${inspect(error)}`));
    process.on("warning", (warning) => {
      if (warning.name !== "ExperimentalWarning") this.#note(`warning: ${warning.stack ?? warning.message}`);
    });
  }

  /** The first since the last call. */
  take(): string | undefined {
    const first = this.#first;
    this.#first = undefined;
    return first;
  }

  #note(what: string): void {
    this.#first ??= what;
  }
}

/** Bytes that the process holds once it has collected what it can: Node runs with `--expose-gc`. */
export function heldBytes(): number {
  for (let count = 0; count < 2; count++) (globalThis as { gc?: () => void }).gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** A later turn of the event loop: rejections that nobody has handled are told by then. */
export async function nextTurn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}
