import { ColloquyError, describeType, isClass, quoted, refusal, ownName } from "@colloquy/core";
import { EXPOSED, FIELDS, SERVICE_MAP, Service, ServiceTable, fieldsOf } from "./expose.ts";
import type { AnyFunction, ExposeOptions, Marked } from "./expose.ts";
import { REST, parameterNames } from "./parameters.ts";
import { isStream } from "./outgoing-stream.ts";

/** Where a class keeps the table of its exposed methods. */
const TABLE: unique symbol = Symbol("colloquy.table") as never;

/** One thing that can be called: a function, and how to call it. */
export interface Exposed {
  readonly call: AnyFunction;
  readonly options: ExposeOptions;
  /** Names of the parameters that a caller fills; "" where one isn't known. */
  readonly params: readonly string[];
  /** Index of the context among the arguments; Infinity: behind all, -1: none is wanted. */
  readonly contextPlace: number;
  /** Arguments or result pass schemas. */
  readonly isChecked: boolean;
}

/** What user code has thrown where it was asked for a member: an accessor, or `lookup` of a table. It is the cause. */
export class LookupFailure extends Error {}

/** True for what crosses as a stream. The promise of a call is an async iterable, too, and is to be awaited. */
export function isStreamValue(value: object): value is AsyncIterable<unknown> {
  return isStream(value) && !(value instanceof Promise) && !isService(value);
}

/** True for what is passed by reference as a service. */
export function isService(value: unknown): value is object {
  if (typeof value !== "object" || value === null) return false;
  if (value instanceof Service || isServiceMap(value) || hasFields(value)) return true;
  return tableOf(value).size > 0;
}

/**
 * Checks what is going to be served.
 *
 * @throws ColloquyError `INVALID_ARGUMENT` where nothing is exposed, or where `static exposed` lists what isn't there.
 */
export function checkServable(root: unknown): asserts root is object {
  if (isClass(root)) {
    throw new ColloquyError(
      "INVALID_ARGUMENT",
      `the class ${ownName(root)} is no service; an instance is: new ${ownName(root)}()`,
    );
  }
  if (!isService(root) || !hasMembers(root)) {
    throw new ColloquyError(
      "INVALID_ARGUMENT",
      `${describeType(root)} is no service: nothing in it is exposed; use @expose or service({ ... })`,
    );
  }
  for (const level of levelsOf(root)) {
    for (const name of listedNames(level)) {
      if (name in root) continue;
      throw new ColloquyError(
        "INVALID_ARGUMENT",
        `${describeType(root)}.exposed lists ${quoted(name)}, which it doesn't have`,
      );
    }
  }
}

/** An object and what it inherits from, the most derived first. */
function levelsOf(start: object): object[] {
  const levels: object[] = [];
  for (let level: object | null = start; level !== null && level !== Object.prototype;) {
    levels.push(level);
    level = Object.getPrototypeOf(level) as object | null;
  }
  return levels;
}

/** A map may get its members later, and a table has those that its code finds. */
function hasMembers(owner: object): boolean {
  if (isServiceMap(owner) || owner instanceof ServiceTable) return true;
  return hasFields(owner) || tableOf(owner).size > 0;
}

/** Most objects have no such mark: to read it is cheaper than to ask whether it is their own. */
function isServiceMap(value: object): boolean {
  return (value as { [SERVICE_MAP]?: unknown })[SERVICE_MAP] !== undefined && Object.hasOwn(value, SERVICE_MAP);
}

function hasFields(value: object): boolean {
  return (value as { [FIELDS]?: unknown })[FIELDS] !== undefined && Object.hasOwn(value, FIELDS);
}

/** Tells the members of a service apart: what can be called, and services below it. */
export function isExposed(member: object): member is Exposed {
  return member instanceof ExposedFunction;
}

/**
 * The exposed member named by the part `index` of a path: a service, or something to call (`isExposed`). Names are looked up in maps that `expose` has filled, never by walking the object.
 *
 * @throws ColloquyError `NOT_FOUND`, `NOT_EXPOSED`
 */
export function memberOf(owner: object, names: readonly string[], index: number): object {
  const name = names[index]!;
  if (owner instanceof ServiceTable) {
    const found = lookUp(owner, name);
    return found === undefined ? missing(names, index) : asMember(found, name, undefined);
  }
  if (isServiceMap(owner)) {
    if (!Object.hasOwn(owner, name)) missing(names, index);
    return asMember(valueOf(owner, name), name, undefined);
  }
  const field = hasFields(owner) ? fieldsOf(owner).get(name) : undefined;
  if (field !== undefined) return asMember(valueOf(owner, name), name, field);
  const entry = tableOf(owner).get(name);
  if (entry === undefined) return refuse(owner, names, index);
  if (entry.call !== undefined) return entry;
  return asMember(valueOf(owner, name), name, entry.read);
}

/** True where an accessor has to run for an exposed member to be there. */
export function isAccessor(owner: object, name: string): boolean {
  if (owner instanceof ServiceTable || !mayBeRead(owner, name)) return false;
  const level = levelsOf(owner).find((one) => Object.hasOwn(one, name));
  return level !== undefined && Object.getOwnPropertyDescriptor(level, name)!.get !== undefined;
}

function mayBeRead(owner: object, name: string): boolean {
  if (isServiceMap(owner) || (hasFields(owner) && fieldsOf(owner).has(name))) return true;
  const entry = tableOf(owner).get(name);
  return entry !== undefined && entry.call === undefined;
}

function lookUp(table: ServiceTable, name: string): object | undefined {
  try {
    return table.lookup(name);
  } catch (cause) {
    // A refusal of the table's own, as that of a router.
    if (cause instanceof ColloquyError && cause.executed === "no") throw cause;
    throw new LookupFailure("lookup of a table", { cause });
  }
}

function valueOf(owner: object, name: string): unknown {
  try {
    return (owner as Record<string, unknown>)[name];
  } catch (cause) {
    throw new LookupFailure("accessor", { cause });
  }
}

/** Names and values of the services right below one, as far as they can be listed and read. */
export function* subServices(owner: object): Generator<[name: string, sub: unknown], void, undefined> {
  for (const name of namesBelow(owner)) {
    let sub: unknown;
    try {
      sub = valueOf(owner, name);
    } catch {
      // Whoever calls it is told.
      continue;
    }
    yield [name, sub];
  }
}

function* namesBelow(owner: object): Generator<string, void, undefined> {
  if (isServiceMap(owner)) yield* Object.keys(owner);
  if (hasFields(owner)) yield* fieldsOf(owner).keys();
  for (const [name, entry] of tableOf(owner)) if (entry.call === undefined) yield name;
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
  readonly isChecked: boolean;
  #declared: readonly string[] | undefined;

  constructor(call: AnyFunction, options: ExposeOptions) {
    this.call = call;
    this.options = options;
    this.contextPlace = options.context === true ? this.#placeOfContext() : -1;
    this.isChecked = options.input !== undefined || options.output !== undefined;
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

type TableEntry = Exposed | { readonly call?: undefined; readonly read: ExposeOptions };

/** The table of one class; its subclasses inherit the property and have tables of their own. */
interface ClassTable {
  readonly prototype: object;
  readonly entries: ReadonlyMap<string, TableEntry>;
}

/** Tables of classes whose prototype takes no property any more: as many as there are such classes. */
const tablesBeside: WeakMap<object, ReadonlyMap<string, TableEntry>> = new WeakMap();

/** The exposed methods and accessors of a class: the most derived definition of each name decides. */
function tableOf(instance: object): ReadonlyMap<string, TableEntry> {
  const prototype = Object.getPrototypeOf(instance) as object | null;
  const known = (instance as { readonly [TABLE]?: ClassTable })[TABLE];
  if (known !== undefined && known.prototype === prototype) return known.entries;
  if (prototype === null || prototype === Object.prototype) return EMPTY;
  return tablesBeside.get(prototype) ?? makeTable(prototype);
}

function makeTable(prototype: object): ReadonlyMap<string, TableEntry> {
  const table = new Map<string, TableEntry>();
  const seen = new Set<string>();
  for (const level of levelsOf(prototype)) addLevel(level, table, seen);
  // Only for classes of services: what is asked whether it is one may be of any class.
  if (table.size > 0) {
    const value: ClassTable = { prototype, entries: table };
    if (!Reflect.defineProperty(prototype, TABLE, { value })) tablesBeside.set(prototype, table);
  }
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

/** Most classes list none. */
const NO_NAMES: ReadonlySet<string> = new Set();

function listedNames(level: object): ReadonlySet<string> {
  if (!Object.hasOwn(level, "constructor")) return NO_NAMES;
  const { constructor } = level;
  if (typeof constructor !== "function" || !Object.hasOwn(constructor, "exposed")) return NO_NAMES;
  const names: unknown = (constructor as { exposed?: unknown }).exposed;
  return new Set(Array.isArray(names) ? names.filter((name) => typeof name === "string") : []);
}

/** What a field, an accessor or a map holds under an exposed name. */
function asMember(value: unknown, name: string, options: ExposeOptions | undefined): object {
  if (typeof value === "function") {
    if (options !== undefined) return new ExposedFunction(value as AnyFunction, options);
    if ((value as Marked)[EXPOSED] !== undefined) return exposedFunction(value as AnyFunction);
  } else if (isService(value)) {
    if (options?.input === undefined && options?.output === undefined) return value;
    const reason = `${quoted(name)} is a service; schemas stand at its methods, not at the service`;
    throw new ColloquyError("INVALID_ARGUMENT", reason);
  }
  throw notExposed(name);
}

function notExposed(name: string): ColloquyError {
  return refusal("NOT_EXPOSED", `${quoted(name)} is not exposed; @expose or expose() makes it callable`);
}

function missing(names: readonly string[], index: number): never {
  const name = names[index]!;
  const path = names.slice(0, index).join("/");
  const where = path === "" ? "the root service" : quoted(path);
  throw refusal("NOT_FOUND", `name ${quoted(name)} not found in ${where}`);
}

/** Tells a name that is there and not exposed from one that isn't, by the names that the class itself defines. */
function refuse(owner: object, names: readonly string[], index: number): never {
  const name = names[index]!;
  const isThere = name !== "constructor" && levelsOf(owner).some((level) => Object.hasOwn(level, name));
  if (isThere) throw notExposed(name);
  return missing(names, index);
}
