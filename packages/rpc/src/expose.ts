import { ColloquyError, describeType, quoted } from "@colloquy/core";
import { REST, parameterNames } from "./parameters.ts";

/** Marks that are on functions, instances and maps: symbols of the registry, so that two copies of the package agree. */
const EXPOSED: unique symbol = Symbol.for("colloquy.exposed") as never;
const FIELDS: unique symbol = Symbol.for("colloquy.fields") as never;
const TABLE: unique symbol = Symbol("colloquy.table") as never;
const SERVICE_MAP: unique symbol = Symbol.for("colloquy.serviceMap") as never;

declare const serviceBrand: unique symbol;

/** What is a service for the type checker: instances of `Service`, and what `service()` returns. */
export interface AnyService {
  readonly [serviceBrand]: true;
}

export interface ExposeOptions {
  /** Passes a `CallContext` as the last parameter. Default: false. */
  readonly context?: boolean;
  /**
   * Names of the parameters, for keyword arguments. Default: the names in the function's source, where they are plain.
   * Keyword arguments that are not all parameters arrive together, as one object behind the positional arguments.
   */
  readonly params?: readonly string[];
}

// oxlint-disable-next-line typescript/no-explicit-any -- any function can be exposed
export type AnyFunction = (...args: any[]) => any;

/** One thing that can be called: a function, and how to call it. */
export interface Exposed {
  readonly call: AnyFunction;
  readonly options: ExposeOptions;
  /** Names of the parameters that a caller fills; "" where one isn't known. */
  readonly params: readonly string[];
  /** Index of the context among the arguments; Infinity: behind all, -1: none is wanted. */
  readonly contextPlace: number;
}

type Decorated =
  | ClassMethodDecoratorContext
  | ClassFieldDecoratorContext
  | ClassGetterDecoratorContext
  | ClassAccessorDecoratorContext;

/** What `expose` returns as a decorator. */
export type ExposeDecorator = <V>(value: V, context: Decorated) => void;

interface Marked {
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
export function expose(value: unknown, context: Decorated): void;
export function expose(value: unknown, context?: Decorated | ExposeOptions): unknown {
  if (isDecoration(context)) return decorate(value, context, {});
  if (typeof value === "function") return mark(value, context ?? {});
  if (typeof value === "object" && value !== null && context === undefined) {
    return (member: unknown, place: Decorated) => decorate(member, place, value);
  }
  throw new ColloquyError("INVALID_ARGUMENT", `expose takes a function, not ${describeType(value)}`);
}

function isDecoration(context: Decorated | ExposeOptions | undefined): context is Decorated {
  return context !== undefined && "kind" in context;
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
      return function (this: object, initial: unknown) {
        fieldsOf(this).set(name, options);
        return initial;
      };
  }
}

function mark<F extends object>(fn: F, options: ExposeOptions): F {
  Object.defineProperty(fn, EXPOSED, { value: Object.freeze({ ...options }), configurable: true });
  return fn;
}

function fieldsOf(instance: object): Map<string, ExposeOptions> {
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
  /** The service or exposed function of that name, or undefined. */
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
  if (!Object.hasOwn(members, SERVICE_MAP)) Object.defineProperty(members, SERVICE_MAP, { value: true });
  const prototype: unknown = Object.getPrototypeOf(members);
  // A plain object would cross by value.
  if (prototype === Object.prototype || prototype === null) Object.setPrototypeOf(members, ServiceMembers.prototype);
  return members as ServiceMap<T>;
}

/** True for what is passed by reference as a service. */
export function isService(value: unknown): value is object {
  if (typeof value !== "object" || value === null) return false;
  if (value instanceof Service || Object.hasOwn(value, SERVICE_MAP) || Object.hasOwn(value, FIELDS)) return true;
  return tableOf(value).size > 0;
}

/** A member of a service: something to call, or a service below it. */
export type Member = Exposed | { readonly service: object };

/**
 * The exposed member of that name. Names are looked up in maps that `expose` has filled, never by walking the object.
 *
 * @throws ColloquyError `NOT_FOUND`, `NOT_EXPOSED`
 */
export function memberOf(owner: object, name: string, path: string): Member {
  if (owner instanceof ServiceTable) {
    const found = owner.lookup(name);
    return found === undefined ? missing(name, path) : asMember(found, name, undefined);
  }
  if (Object.hasOwn(owner, SERVICE_MAP)) {
    if (!Object.hasOwn(owner, name)) missing(name, path);
    return asMember((owner as Record<string, unknown>)[name], name, undefined);
  }
  const field = Object.hasOwn(owner, FIELDS) ? fieldsOf(owner).get(name) : undefined;
  if (field !== undefined) return asMember((owner as Record<string, unknown>)[name], name, field);
  const entry = tableOf(owner).get(name);
  if (entry === undefined) return refuse(owner, name, path);
  if ("call" in entry) return entry;
  return asMember((owner as Record<string, unknown>)[name], name, entry.read);
}

/** Names and values of the services right below one, as far as they can be listed. */
export function* subServices(owner: object): Generator<[name: string, sub: unknown], void, undefined> {
  if (Object.hasOwn(owner, SERVICE_MAP)) yield* Object.entries(owner);
  if (Object.hasOwn(owner, FIELDS)) {
    for (const name of fieldsOf(owner).keys()) yield [name, (owner as Record<string, unknown>)[name]];
  }
  for (const [name, entry] of tableOf(owner))
    if ("read" in entry) yield [name, (owner as Record<string, unknown>)[name]];
}

/** How to call a function that was passed by reference: with the options it was exposed with, if it was. */
export function exposedFunction(fn: AnyFunction): Exposed {
  return new ExposedFunction(fn, (fn as Marked)[EXPOSED] ?? {});
}

/** Reads the parameters where keywords or a context ask for them: for a function that came as a value this is made at each call. */
class ExposedFunction implements Exposed {
  readonly call: AnyFunction;
  readonly options: ExposeOptions;
  readonly contextPlace: number;
  #declared: readonly string[] | undefined;

  constructor(call: AnyFunction, options: ExposeOptions) {
    this.call = call;
    this.options = options;
    this.contextPlace = options.context === true ? this.#placeOfContext() : -1;
  }

  get params(): readonly string[] {
    const { params, context } = this.options;
    return params ?? (context === true ? this.#names.slice(0, -1) : this.#names);
  }

  get #names(): readonly string[] {
    return (this.#declared ??= parameterNames(this.call));
  }

  /** Fixed wherever possible: behind the arguments that came, one of them could stand where the context is expected. */
  #placeOfContext(): number {
    if (this.options.params !== undefined) return this.options.params.length;
    const names = this.#names;
    if (names.includes(REST)) return Infinity;
    return Math.max(names.length, this.call.length, 1) - 1;
  }
}

type TableEntry = Exposed | { readonly read: ExposeOptions };

/** The exposed methods and accessors of a class: the most derived definition of each name decides. */
function tableOf(instance: object): ReadonlyMap<string, TableEntry> {
  const prototype = Object.getPrototypeOf(instance) as { [TABLE]?: ReadonlyMap<string, TableEntry> } | null;
  if (prototype === null || prototype === Object.prototype) return EMPTY;
  if (Object.hasOwn(prototype, TABLE)) return prototype[TABLE]!;
  const table = new Map<string, TableEntry>();
  const seen = new Set<string>();
  for (let level: object | null = prototype; level !== null && level !== Object.prototype;) {
    addLevel(level, table, seen);
    level = Object.getPrototypeOf(level) as object | null;
  }
  // Only on classes of services: what is asked whether it is one may be of any class.
  if (table.size > 0 && Object.isExtensible(prototype)) Object.defineProperty(prototype, TABLE, { value: table });
  return table;
}

const EMPTY: ReadonlyMap<string, TableEntry> = Object.freeze(new Map<string, TableEntry>());

function addLevel(level: object, table: Map<string, TableEntry>, seen: Set<string>): void {
  const listed = listedNames(level);
  for (const name of Object.getOwnPropertyNames(level)) {
    if (name === "constructor" || seen.has(name)) continue;
    seen.add(name);
    const { value, get } = Object.getOwnPropertyDescriptor(level, name) as { value?: unknown; get?: Marked };
    const marked = typeof value === "function" ? (value as Marked)[EXPOSED] : get?.[EXPOSED];
    const options = marked ?? (listed.has(name) ? {} : undefined);
    if (options === undefined) continue;
    if (typeof value === "function") table.set(name, new ExposedFunction(value as AnyFunction, options));
    else table.set(name, { read: options });
  }
  // A listed name without a definition on the class is a field of its instances.
  for (const name of listed) if (!seen.has(name)) table.set(name, { read: {} });
}

function listedNames(level: object): Set<string> {
  const constructor: unknown = Object.getOwnPropertyDescriptor(level, "constructor")?.value;
  if (typeof constructor !== "function" || !Object.hasOwn(constructor, "exposed")) return new Set();
  const names: unknown = (constructor as { exposed?: unknown }).exposed;
  return new Set(Array.isArray(names) ? names.filter((name) => typeof name === "string") : []);
}

/** What a field, an accessor or a map holds under an exposed name. */
function asMember(value: unknown, name: string, options: ExposeOptions | undefined): Member {
  if (typeof value === "function") {
    if (options !== undefined) return new ExposedFunction(value as AnyFunction, options);
    if ((value as Marked)[EXPOSED] !== undefined) return exposedFunction(value as AnyFunction);
  } else if (isService(value)) return { service: value };
  throw new ColloquyError("NOT_EXPOSED", `${quoted(name)} is not exposed`);
}

function missing(name: string, path: string): never {
  throw new ColloquyError("NOT_FOUND", `name ${quoted(name)} not found in ${quoted(path)}`);
}

/** Tells a name that is there and not exposed from one that isn't, by the names that the class itself defines. */
function refuse(owner: object, name: string, path: string): never {
  for (let level: object | null = owner; level !== null && level !== Object.prototype;) {
    if (name !== "constructor" && Object.hasOwn(level, name)) {
      throw new ColloquyError("NOT_EXPOSED", `${quoted(name)} is not exposed`);
    }
    level = Object.getPrototypeOf(level) as object | null;
  }
  return missing(name, path);
}
