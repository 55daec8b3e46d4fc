import {
  JsonCodec,
  Service,
  connect,
  expose,
  notify,
  pipeline,
  release,
  sameRemote,
  serializable,
  service,
  withOptions,
} from "../src/index.ts";
import { NdArray } from "@colloquy/core";
import type {
  CallContext,
  Connection,
  ReconnectingConnection,
  Remote,
  RemoteCall,
  RemoteStream,
  RemoteStreamCall,
  SerializableClass,
} from "../src/index.ts";
import type { Answer } from "../src/answer.ts";
import type { IncomingStream } from "../src/incoming-stream.ts";

/** Holds where the two types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(_claim: Same<A, B>): void {}

/** What may be passed for a plain value: it, or the call that gives it. */
type Argument<V> = V | RemoteCall<V>;

class Point {
  private readonly hidden = 0;
  readonly x: number;
  constructor(x: number) {
    this.x = x;
  }
  norm(): number {
    return this.x + this.hidden;
  }
}

class Room extends Service {
  readonly size: number = 1;
  @expose title(): string {
    return "room";
  }
}

class Meters extends Service {
  @expose readings(days: NdArray): NdArray {
    return days;
  }
}

interface Options {
  readonly depth: number;
}

type Standard = [
  Date,
  Map<string, Map<bigint, Set<URL>>>,
  Set<RangeError>,
  bigint,
  URL,
  Error,
  AggregateError,
  Int8Array,
  Uint8Array<ArrayBuffer>,
  Uint8ClampedArray,
  Float64Array,
  BigInt64Array,
  ArrayBuffer,
  DataView,
  Buffer,
  undefined,
];

/** It has a serializer. */
class Registry extends Map<string, Room> {
  readonly owner: string = "";
}

class House extends Service {
  readonly street: string = "";
  @expose readonly hall = new Room();
  @expose readonly map = service({ attic: new Room(), count: expose((n: number) => n) });

  @expose add(a: number, b: number): number {
    return a + b;
  }
  @expose async later(text: string, times?: number): Promise<string> {
    return text.repeat(times ?? 1);
  }
  @expose many(first: string, ...rest: number[]): number {
    return first.length + rest.length;
  }
  @expose nothing(): void {}
  @expose open(_name: string): Room {
    return new Room();
  }
  @expose rooms(): { list: Room[]; first: Room | null } {
    return { list: [], first: null };
  }
  @expose attics(): Map<string, Room> {
    return new Map();
  }
  @expose me(): this {
    return this;
  }
  @expose formatter(): (x: number) => string {
    return String;
  }
  @expose subscribe(hear: (text: string, room: Room) => void): number {
    return hear.length;
  }
  @expose compute(fn: (x: number) => Promise<number>): Promise<number> {
    return fn(1);
  }
  @expose counter(): (step: number) => number {
    return (step) => step;
  }
  @expose visit(room: Remote<Room>): Promise<string> {
    return room.title();
  }
  @expose take(room: Room, options: Options): string {
    return room.title() + options.depth;
  }
  @expose nested(value: { list: { cb: (x: number) => string }[] }): void {
    void value;
  }
  @expose async *history(limit: number): AsyncGenerator<{ room: Room }> {
    if (limit > 0) yield { room: this.hall };
  }
  @expose point(p: Point): Point {
    return p;
  }
  @expose({ context: true }) slow(n: number, context: CallContext): string {
    return `${n}${context.path}`;
  }
  @expose({ context: true }) slower(n: number, unit?: string, context?: CallContext): string {
    return `${n}${unit}${context?.path}`;
  }
  @expose anything(x: any): any {
    return x;
  }
  @expose plan(_rooms: Map<string, Room>): ReadonlyMap<string, Room> {
    return new Map();
  }
  @expose keys(_rooms: ReadonlySet<Room>): Set<(text: string) => void> {
    return new Set();
  }
  @expose standard(value: Standard): Standard {
    return value;
  }
  @expose registry(value: Registry): Registry {
    return value;
  }
  @expose data(): { when: Date; bytes: Uint8Array; tags: readonly string[]; pair: [number, string] } {
    return { when: new Date(0), bytes: new Uint8Array(), tags: [], pair: [1, ""] };
  }
}

declare const house: Remote<House>;
declare const connection: Connection<House>;

export function methods(): void {
  same<ReturnType<typeof house.add>, RemoteCall<number>>(true);
  same<Parameters<typeof house.add>, [a: Argument<number>, b: Argument<number>]>(true);
  same<ReturnType<typeof house.later>, RemoteCall<string>>(true);
  same<Parameters<typeof house.later>, [text: Argument<string>, times?: Argument<number | undefined>]>(true);
  same<Parameters<typeof house.many>, [first: Argument<string>, ...rest: Argument<number>[]]>(true);
  same<ReturnType<typeof house.many>, RemoteCall<number>>(true);
  same<ReturnType<typeof house.nothing>, RemoteCall<void>>(true);
  void house.later("x");
  // @ts-expect-error -- an argument is missing
  void house.add(1);
  // @ts-expect-error -- of another type
  void house.add(1, "2");
  // @ts-expect-error -- one too many
  void house.add(1, 2, 3);
  // @ts-expect-error -- there is no such method
  void house.none();
  // @ts-expect-error -- the result is a promise
  const sum: number = house.add(1, 2);
  void sum;
}

export function members(): void {
  same<typeof house.hall, Remote<Room>>(true);
  same<ReturnType<typeof house.map.attic.title>, RemoteCall<string>>(true);
  same<ReturnType<typeof house.map.count>, RemoteCall<number>>(true);
  // @ts-expect-error -- a field that is neither a function nor a service isn't there
  void house.street;
  // @ts-expect-error -- nor below
  void house.hall.size;
  // @ts-expect-error -- a proxy is not to be set
  house.hall = new Room();
  // @ts-expect-error -- local, not remote
  void house.then;
  // @ts-expect-error -- a service is not called
  void house.hall();
  using disposable = house;
  void disposable;
}

export async function results(): Promise<void> {
  const room = await house.open("x");
  same<typeof room, Remote<Room>>(true);
  const { list, first } = await house.rooms();
  same<typeof list, Remote<Room>[]>(true);
  same<typeof first, Remote<Room> | null>(true);
  using counter = await house.counter();
  same<ReturnType<typeof counter>, RemoteCall<number>>(true);
  for await (const item of house.history(1)) same<typeof item, { room: Remote<Room> }>(true);
  const data = await house.data();
  same<typeof data, { when: Date; bytes: Uint8Array; tags: readonly string[]; pair: [number, string] }>(true);
  // @ts-expect-error -- a returned service is a proxy, without its fields
  void room.size;
}

export async function arrays(meters: Remote<Meters>): Promise<void> {
  const readings = await meters.readings(NdArray.zeros([7, 24]));
  same<typeof readings, NdArray>(true);
}

export async function functions(): Promise<void> {
  await house.subscribe((text, room) => {
    same<typeof text, string>(true);
    same<typeof room, Remote<Room>>(true);
  });
  await house.subscribe(async (text) => void text.length);
  await house.compute((x) => x + 1);
  await house.compute(async (x) => x + 1);
  await house.nested({ list: [{ cb: (x) => String(x) }, { cb: async (x) => String(x) }] });
  // @ts-expect-error -- its result is of another type
  await house.compute((x) => String(x));
  // @ts-expect-error -- its parameter is of another type
  await house.subscribe((text: number) => void text);
  // @ts-expect-error -- deep inside as well
  await house.nested({ list: [{ cb: (x) => x }] });
}

export async function services(): Promise<void> {
  await house.visit(new Room());
  await house.visit(house.hall);
  await house.visit(await house.open("x"));
  await house.take(new Room(), { depth: 1 });
  await house.take(house.hall, { depth: 1 });
  // @ts-expect-error -- another service
  await house.visit(house);
  // @ts-expect-error -- no service
  await house.visit("room");
  // @ts-expect-error -- another service, where a local one is declared
  await house.take(new House(), { depth: 1 });
}

export async function values(): Promise<void> {
  // A class with a serializer arrives as itself.
  const point = await house.point(new Point(1));
  same<typeof point, Point>(true);
  same<ReturnType<typeof point.norm>, number>(true);
  // @ts-expect-error -- a look-alike is none
  await house.point({ x: 1, norm: () => 1 });
}

export class TakesContexts extends Service {
  @expose({ context: true }) asked(_n: number, _context: CallContext): void {}
  @expose optional(_n: number, _context?: CallContext): void {}
  @expose anything(_n: number, _last: any): void {}
  // @ts-expect-error -- the context is passed on request only
  @expose forgotten(_n: number, _context: CallContext): void {}
}

export function contexts(): void {
  same<Parameters<typeof house.slow>, [n: Argument<number>]>(true);
  void house.slower(1);
  void house.slower(1, "s");
  // @ts-expect-error -- the context is the server's own business
  void house.slow(1, {} as CallContext);
  // @ts-expect-error -- also where it is optional
  void house.slower(1, "s", {} as CallContext);
  // A last parameter of type any is no context.
  void house.anything(1);
  // @ts-expect-error -- and can't be left out
  void house.anything();
}

interface Calculator {
  add(a: number, b: number): Promise<number>;
  readonly sub: { readonly title: () => string } & Service;
  readonly version: string;
}

export async function interfaces(): Promise<void> {
  const { remote } = await connect<Calculator>("tcp://127.0.0.1:1");
  same<ReturnType<typeof remote.add>, RemoteCall<number>>(true);
  same<ReturnType<typeof remote.sub.title>, RemoteCall<string>>(true);
  // @ts-expect-error -- no function
  void remote.version;
  const untyped = (await connect<any>("tcp://127.0.0.1:1")).remote;
  void untyped.agents["0"].anything(1, "x");
  const none = (await connect("tcp://127.0.0.1:1")).remote;
  // @ts-expect-error -- nothing is known of it
  void none.add;
}

export function calls(): void {
  same<ReturnType<ReturnType<typeof notify<typeof house.add>>>, void>(true);
  notify(house.add)(1, 2);
  // @ts-expect-error -- arguments as ever
  notify(house.add)(1, "2");
  const quick = withOptions(house.add, { timeout: 5, signal: new AbortController().signal });
  same<typeof quick, typeof house.add>(true);
  void withOptions(house.add, { kwargs: { b: 1 } })(1);
  void withOptions(house.add, { kwargs: { a: 1, b: 1 } })();
  // @ts-expect-error -- a positional argument is checked all the same
  void withOptions(house.add, { kwargs: { b: 1 } })("1");
  // @ts-expect-error -- an unknown option
  withOptions(house.add, { timeOut: 5 });
  // @ts-expect-error -- a service is no method
  withOptions(house.hall, {});
  same<typeof connection.remote, Remote<House>>(true);
  same<boolean, ReturnType<typeof sameRemote>>(sameRemote(house, house.hall) as true);
  release(house.hall);
}

export function exposing(): void {
  const fn = expose((a: number) => a);
  same<typeof fn, (a: number) => number>(true);
  const withContext = expose((n: number, context: CallContext) => context.path + n, { context: true });
  void withContext;
  // @ts-expect-error -- no function
  expose(1);
  // @ts-expect-error -- an unknown option
  expose(() => 1, { contexts: true });
  // @ts-expect-error -- no object
  service(1);
}

export function records(): void {
  class Pixel {
    x = 1;
  }
  const Made = serializable(Pixel);
  same<(typeof Made)["prototype"], Pixel>(true);
  same<typeof Made.serializer, SerializableClass<Pixel>["serializer"]>(true);
  const [type, serialize, deserialize] = Made.serializer;
  same<(typeof type)["prototype"], Pixel>(true);
  same<Parameters<typeof serialize>, [value: Pixel]>(true);
  same<ReturnType<typeof deserialize>, Pixel>(true);
  new JsonCodec([() => Made.serializer]).addSerializer(...serializable(class Inner {}).serializer);
  // @ts-expect-error -- the class itself has another type than what is returned
  void Pixel.serializer;

  @serializable
  class Decorated {
    x = 1;
  }
  // @ts-expect-error -- a decorator can't change the type of its class
  void Decorated.serializer;

  @serializable
  class Declared {
    declare static readonly serializer: SerializableClass<Declared>["serializer"];
    x = 1;
  }
  new JsonCodec().addSerializer(...Declared.serializer);
}

export async function standardTypes(): Promise<void> {
  // Values of the built-in types are the same on both sides,
  same<Parameters<typeof house.standard>, [value: Argument<Standard>]>(true);
  same<ReturnType<typeof house.standard>, RemoteCall<Standard>>(true);
  same<ReturnType<typeof house.registry>, RemoteCall<Registry>>(true);
  same<Parameters<typeof house.registry>, [value: Argument<Registry>]>(true);
  // but for services and functions in them.
  const plan = await house.plan(new Map([["", new Room()]]));
  same<typeof plan, ReadonlyMap<string, Remote<Room>>>(true);
  await house.plan(new Map<string, Room | Remote<Room>>([["", house.hall]]));
  // @ts-expect-error -- no room
  await house.plan(new Map([["", 1]]));
  const hearers = await house.keys(new Set([house.hall]));
  for (const hear of hearers) same<ReturnType<typeof hear>, RemoteCall<void>>(true);
}

class Feed extends Service {
  @expose async *numbers(to: number) {
    yield { at: to };
  }
  @expose async later(): Promise<ReadableStream<string>> {
    return new ReadableStream<string>();
  }
  @expose iterable(): AsyncIterable<Room> {
    return this.rooms();
  }
  @expose async *rooms(): AsyncGenerator<Room, number, undefined> {
    yield new Room();
    return 1;
  }
  @expose async sum(numbers: AsyncIterable<number>, stop?: AbortSignal): Promise<number> {
    for await (const number of numbers) if (stop?.aborted === true) return number;
    return 0;
  }
  @expose async lines(lines: ReadableStream<string>): Promise<void> {
    for await (const line of lines) void line;
  }
  @expose async first(numbers: RemoteStream<number>): Promise<number | undefined> {
    const { value } = await numbers.next();
    await numbers.return();
    return value;
  }
  @expose each(hear: (numbers: ReadableStream<number>) => void): void {
    void hear;
  }
  @expose nested(): { readonly inner: readonly AsyncIterable<Room>[] } {
    return { inner: [] };
  }
  @expose maybe(): AsyncIterable<number> | null {
    return null;
  }
  @expose room(): Room {
    return new Room();
  }
  @expose size(): number {
    return 0;
  }
  @expose fail(): never {
    throw new Error("no");
  }
}

export async function streams(feed: Remote<Feed>): Promise<void> {
  // A stream is read without being awaited, or awaited first, whatever the method says of it.
  same<ReturnType<typeof feed.numbers>, RemoteStreamCall<{ at: number }>>(true);
  same<ReturnType<typeof feed.later>, RemoteStreamCall<string>>(true);
  same<ReturnType<typeof feed.iterable>, RemoteStreamCall<Remote<Room>>>(true);
  for await (const { at } of feed.numbers(3)) same<typeof at, number>(true);
  for await (const line of feed.later()) same<typeof line, string>(true);
  const awaited = await feed.numbers(3);
  same<typeof awaited, RemoteStream<{ at: number }>>(true);
  for await (const { at } of awaited) same<typeof at, number>(true);
  // It is left by return(), and by `await using`.
  await using left = feed.iterable();
  const { value } = await left.next();
  same<typeof value, Remote<Room> | undefined>(true);
  await feed.numbers(3).return();
  await awaited.return();
  await using both = awaited;
  void both;
  // The value that a generator returns doesn't cross, and nothing is thrown into it.
  const end = await feed.rooms().next();
  if (end.done === true) same<typeof end.value, undefined>(true);
  // @ts-expect-error -- a producer lives on the other side
  await awaited.throw(new Error("no"));
  // @ts-expect-error -- nor is something sent to it
  await awaited.next(1);
  // @ts-expect-error -- it isn't a ReadableStream any more
  (await feed.later()).getReader();
  // @ts-expect-error -- where there may be none, it is awaited
  for await (const number of feed.maybe()) void number;
  const { inner } = await feed.nested();
  for (const stream of inner) {
    same<typeof stream, RemoteStream<Remote<Room>>>(true);
    for await (const room of stream) same<typeof room, Remote<Room>>(true);
  }
  same<ReturnType<typeof feed.fail>, RemoteCall<never>>(true);
  same<ReturnType<typeof house.anything>, RemoteCall<any>>(true);
}

export async function givenStreams(feed: Remote<Feed>, foreign: Promise<AsyncIterable<number>>): Promise<void> {
  const numbers = async function* () {
    yield 1;
  };
  same<Awaited<ReturnType<typeof feed.sum>>, number>(true);
  await feed.sum(numbers());
  await feed.sum(new ReadableStream<number>(), AbortSignal.timeout(5));
  // Any async iterable goes, whatever kind of it is declared.
  await feed.lines(new ReadableStream<string>());
  await feed.lines(feed.later());
  await feed.first(numbers());
  await feed.each((given) => {
    same<typeof given, RemoteStream<number>>(true);
  });
  // @ts-expect-error -- items of another type
  await feed.sum(feed.numbers(3));
  // @ts-expect-error -- no stream
  await feed.sum([1]);
  // @ts-expect-error -- a promise that no call has returned
  await feed.sum(foreign);
}

/** What is there at run time is what the types say. */
export function atRunTime(answer: Answer<RemoteStream<unknown>>, stream: IncomingStream): void {
  const call: Omit<RemoteStreamCall<unknown>, keyof RemoteCall<unknown>> & Promise<RemoteStream<unknown>> = answer;
  const given: RemoteStream<unknown> = stream;
  void [call, given];
}

export async function promisesOfCalls(feed: Remote<Feed>, foreign: Promise<number>): Promise<void> {
  // The promise of a call is an argument of another one,
  await house.add(house.add(1, 2), feed.size());
  await house.later("x", feed.size());
  await house.many("x", feed.size(), 1, feed.size());
  await house.visit(house.open("x"));
  await house.take(feed.room(), { depth: 1 });
  await house.point(house.point(new Point(1)));
  await house.plan(house.attics());
  await (
    await house.counter()
  )(feed.size());
  await feed.sum(feed.maybe() as RemoteCall<RemoteStream<number>>);
  await withOptions(house.add, { timeout: 5 })(feed.size(), 1);
  notify(house.add)(feed.size(), 1);
  // and a promise as ever.
  const sum: Promise<number> = feed.size();
  const list: number[] = await Promise.all([feed.size(), sum]);
  const apply: (a: number, b: number) => Promise<number> = house.add;
  void [list, apply];
  // @ts-expect-error -- that of a result of another type
  await house.add(house.later("x"), 1);
  // @ts-expect-error -- that of another service
  await house.visit(house.me());
  // @ts-expect-error -- one that no call has returned
  await house.add(foreign, 1);
  const next = feed.size().then((size) => size + 1);
  // @ts-expect-error -- what follows a call is none
  await house.add(next, 1);
  // @ts-expect-error -- nor what an async function has made of it
  await house.add((async () => feed.size())(), 1);
  // Within a value `pipeline` stands for the result.
  await house.nested({ list: [{ cb: pipeline(house.formatter()) }] });
  // @ts-expect-error -- the promise itself doesn't
  await house.nested({ list: [{ cb: house.formatter() }] });
}

export async function pipelines(feed: Remote<Feed>): Promise<void> {
  const room = pipeline(feed.room());
  same<typeof room, Remote<Room>>(true);
  same<ReturnType<typeof room.title>, RemoteCall<string>>(true);
  const size = await pipeline(feed.size());
  same<typeof size, number>(true);
  for await (const { at } of pipeline(feed.numbers(3))) same<typeof at, number>(true);
  await feed.sum(
    (async function* () {
      yield pipeline(feed.sum(pipeline(feed.numbers(3)) as unknown as AsyncIterable<number>));
    })(),
  );
  // @ts-expect-error -- no promise
  pipeline(5);
}

interface Entry<T> {
  readonly key: string;
  readonly value: T;
}

class Store extends Service {
  @expose async get<T>(_key: string): Promise<T> {
    return undefined as T;
  }
  @expose async set<T extends string | number>(key: string, value: T): Promise<Entry<T>> {
    return { key, value };
  }
  @expose async all<T>(_keys: readonly string[]): Promise<Map<string, T>> {
    return new Map();
  }
  @expose echo<T>(value: T): T {
    return value;
  }
  @expose async hall<T extends Room>(room: T): Promise<T> {
    return room;
  }
  @expose({ context: true }) async inContext<T>(value: T, _context: CallContext): Promise<T> {
    return value;
  }
  @expose async *items<T>(item: T): AsyncGenerator<T> {
    yield item;
  }
  async either(key: string): Promise<string>;
  async either(key: number): Promise<number>;
  @expose async either(key: string | number): Promise<string | number> {
    return key;
  }
}

class Box<T> extends Service {
  @expose content(): T | undefined {
    return undefined;
  }
}

export async function generics(store: Remote<Store>, box: Remote<Box<Date>>): Promise<void> {
  // Type parameters stay where parameters and result are the same on both sides,
  same<typeof store.get, Store["get"]>(true);
  const when = await store.get<Date>("when");
  same<typeof when, Date>(true);
  const entry = await store.set<number>("a", 1);
  same<typeof entry, Entry<number>>(true);
  const all = await store.all<number>(["a"]);
  same<typeof all, Map<string, number>>(true);
  // @ts-expect-error -- with their bounds
  await store.set("a", true);
  // and are `unknown` elsewhere: where the result is no promise,
  same<typeof store.echo, (value: unknown) => RemoteCall<unknown>>(true);
  // where something goes by reference,
  same<ReturnType<typeof store.hall>, RemoteCall<Remote<Room>>>(true);
  // beside a context, and in streams.
  same<ReturnType<typeof store.inContext>, RemoteCall<unknown>>(true);
  same<ReturnType<typeof store.items>, RemoteStreamCall<unknown>>(true);
  // Such a promise goes through `pipeline` to be an argument.
  await house.later(pipeline(store.get<string>("a")));
  // @ts-expect-error -- its type doesn't say that it is that of a call
  await house.later(store.get<string>("a"));
  // Of overloads the last one is seen.
  same<ReturnType<typeof store.either>, RemoteCall<number>>(true);
  // @ts-expect-error -- the first one isn't
  await store.either("a");
  // A generic class is no difficulty.
  same<ReturnType<typeof box.content>, RemoteCall<Date | undefined>>(true);
}

export async function reconnecting(): Promise<void> {
  const connection = await connect<House>("local://x", { reconnect: { whileAway: "fail" } });
  same<typeof connection, ReconnectingConnection<House>>(true);
  // It has what users know of a connection.
  const asOne: Pick<Connection<House>, PublicNames> = connection;
  const plain = await connect<House>("local://x", { reconnect: false });
  same<typeof plain, Connection<House>>(true);
  void asOne;
  // @ts-expect-error -- no such way
  await connect<House>("local://x", { reconnect: { whileAway: "sleep" } });
}

type PublicNames =
  | "remote"
  | "closed"
  | "remoteAddress"
  | "root"
  | "usable"
  | "roundTripMs"
  | "ping"
  | "onClose"
  | "flushed"
  | "stats"
  | "close"
  | "destroy"
  | typeof Symbol.asyncDispose;
