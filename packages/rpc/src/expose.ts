import { ColloquyError, OPTION, checkOptions, describeType, quoted, ownName } from "@colloquy/core";
import type { OptionKind } from "@colloquy/core";
import type { WithoutContext } from "./context-parameter.ts";
import { checkSchemas } from "./validation.ts";
import type { SchemaOptions } from "./validation.ts";

/** Marks that are on functions, instances and maps: symbols of the registry, so that two copies of the package agree. */
export const EXPOSED: unique symbol = Symbol.for("colloquy.exposed") as never;
export const FIELDS: unique symbol = Symbol.for("colloquy.fields") as never;
export const SERVICE_MAP: unique symbol = Symbol.for("colloquy.serviceMap") as never;

declare const serviceBrand: unique symbol;

/** What is a service for the type checker: instances of `Service`, and what `service()` returns. */
export interface AnyService {
  readonly [serviceBrand]: true;
}

export interface ExposeOptions extends SchemaOptions {
  /** Passes a `CallContext` as the last parameter. Default: false. */
  readonly context?: boolean;
  /**
   * Names of the parameters, for keyword arguments. Default: the names in the function's source, where they are plain.
   * Keyword arguments that are not all parameters arrive together, as one object behind the positional arguments.
   */
  readonly params?: readonly string[];
  /** Running it twice does no harm: callers may ask for retries of calls that may have run. Default: false. */
  readonly idempotent?: boolean;
}

// oxlint-disable-next-line typescript/no-explicit-any -- any function can be exposed
export type AnyFunction = (...args: any[]) => any;

type Decorated =
  | ClassMethodDecoratorContext
  | ClassFieldDecoratorContext
  | ClassGetterDecoratorContext
  | ClassAccessorDecoratorContext;

/** What `expose` returns as a decorator. */
export type ExposeDecorator = <V>(value: V, context: Decorated) => void;

/** The context is passed on request only. */
type TakesNoContext<V> = V extends (...args: infer A) => unknown
  ? WithoutContext<A> extends A
    ? unknown
    : "a method that takes a CallContext is exposed with @expose({ context: true })"
  : unknown;

/** A function or accessor that may be exposed. */
export interface Marked {
  [EXPOSED]?: ExposeOptions;
}

/**
 * Lets the other side call a function, or use a member of a service: a method, a field or an accessor that holds a function or
 * a service.
 *
 * As a decorator: `@expose add(a, b)`, `@expose({ context: true }) slow(n, context)`. As a function: `expose((a, b) => a + b)`.
 * A method that overrides an exposed one is exposed again, or isn't. Classes without decorators list names:
 * `static exposed = ["add"]`.
 *
 * @throws ColloquyError `INVALID_ARGUMENT` for what is no function, and for private, static and symbol-named members.
 */
export function expose(options: ExposeOptions): ExposeDecorator;
export function expose<F extends AnyFunction>(fn: F, options?: ExposeOptions): F;
export function expose<V>(value: V & TakesNoContext<V>, context: Decorated): void;
export function expose(value: unknown, context?: Decorated | ExposeOptions): unknown {
  if (typeof context === "string" || typeof context === "symbol") throw legacyDecorator(context);
  if (isDecoration(context)) return decorate(value, context, {});
  if (typeof value === "function") {
    checkSchemas(context ?? {});
    return mark(value, context ?? {});
  }
  if (typeof value === "object" && value !== null && context === undefined) {
    checkSchemas(value);
    return (member: unknown, place: Decorated) => {
      if (!isDecoration(place)) throw legacyDecorator(place);
      return decorate(member, place, value);
    };
  }
  throw new ColloquyError("INVALID_ARGUMENT", `expose takes a function, not ${describeType(value)}`);
}

function isDecoration(context: unknown): context is Decorated {
  return typeof context === "object" && context !== null && "kind" in context;
}

function legacyDecorator(name: unknown): ColloquyError {
  const reason =
    "it takes standard decorators: switch experimentalDecorators off, or list names in `static exposed = [...]`";
  return new ColloquyError("INVALID_ARGUMENT", `expose was called as a legacy decorator of ${String(name)}; ${reason}`);
}

function decorate(value: unknown, context: Decorated, options: ExposeOptions): unknown {
  const { name, kind } = context;
  if (typeof name === "symbol" || context.private || context.static) {
    throw new ColloquyError("INVALID_ARGUMENT", `${String(name)} can't be exposed: it is private, static or a symbol`);
  }
  switch (kind) {
    case "method":
    case "getter":
      mark(value as object, options);
      return undefined;
    case "accessor":
      mark((value as ClassAccessorDecoratorTarget<unknown, unknown>).get, options);
      return undefined;
    case "field":
      checkNames(options);
      return function (this: object, initial: unknown) {
        checkField(this, name, initial);
        fieldsOf(this).set(name, options);
        return initial;
      };
  }
}

/** A field may get its service or function later. */
function checkField(owner: object, name: string, initial: unknown): void {
  if (initial === undefined || initial === null || typeof initial === "object" || typeof initial === "function") return;
  const where = `${ownName(owner.constructor)}.${name}`;
  throw new ColloquyError(
    "INVALID_ARGUMENT",
    `${where} can't be exposed: it is a ${typeof initial}, no function or service`,
  );
}

const OPTIONS: Readonly<Record<keyof ExposeOptions, OptionKind>> = {
  context: OPTION.flag,
  params: {
    takes: "an array of names",
    accepts: (value) => Array.isArray(value) && value.every((name) => typeof name === "string"),
  },
  idempotent: OPTION.flag,
  input: OPTION.any,
  output: OPTION.any,
};

/** @throws ColloquyError `INVALID_ARGUMENT`: a misspelt schema would let everything in. */
function checkNames(options: object): void {
  checkOptions("expose", options, OPTIONS);
}

function mark<F extends object>(fn: F, options: ExposeOptions): F {
  checkNames(options);
  Object.defineProperty(fn, EXPOSED, { value: Object.freeze({ ...options }), configurable: true });
  return fn;
}

/** The exposed fields of an instance, with their options. */
export function fieldsOf(instance: object): Map<string, ExposeOptions> {
  const holder = instance as { [FIELDS]?: Map<string, ExposeOptions> };
  if (!Object.hasOwn(instance, FIELDS)) Object.defineProperty(instance, FIELDS, { value: new Map() });
  return holder[FIELDS]!;
}

/** A base class for services; it has no members of its own. Anything with exposed members is a service, also without it. */
// oxlint-disable-next-line typescript/no-unsafe-declaration-merging -- the brand is for the type checker and has no value
export class Service {}

export interface Service extends AnyService {}

/** A service whose members are looked up by code: a table of agents. */
export abstract class ServiceTable extends Service {
  /**
   * The service or exposed function of that name, or undefined. A `ColloquyError` with `executed: "no"` refuses the call as it is; what
   * else is thrown counts as thrown by the method.
   */
  abstract lookup(name: string): object | undefined;
  /** The name of a member, or undefined for what is none. */
  abstract nameOf(member: object): string | undefined;
}

class ServiceMembers extends Service {}

/** A map of functions and services as a service. */
export type ServiceMap<T extends object> = T & AnyService;

/**
 * A map of exposed functions and services as a service: `service({ add: expose((a, b) => a + b), sub: new Chat() })`. It is
 * the object itself: what is added or deleted while it is served counts from the next call on.
 */
export function service<T extends object>(members: T): ServiceMap<T> {
  if (typeof members !== "object" || members === null) {
    throw new ColloquyError(
      "INVALID_ARGUMENT",
      `service takes an object with functions and services, not ${describeType(members)}`,
    );
  }
  for (const [name, member] of Object.entries(members)) {
    if (typeof member !== "function" || (member as Marked)[EXPOSED] !== undefined) continue;
    throw new ColloquyError(
      "INVALID_ARGUMENT",
      `${quoted(name)} is a function that isn't exposed; write expose(...) around it`,
    );
  }
  if (!Object.hasOwn(members, SERVICE_MAP)) Object.defineProperty(members, SERVICE_MAP, { value: true });
  const prototype: unknown = Object.getPrototypeOf(members);
  // A plain object would cross by value.
  if (prototype === Object.prototype || prototype === null) Object.setPrototypeOf(members, ServiceMembers.prototype);
  return members as ServiceMap<T>;
}
