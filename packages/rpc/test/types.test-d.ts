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
import type { CallContext, Connection, ReconnectingConnection, Remote, SerializableClass } from "../src/index.ts";

/** Holds where the two types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(_claim: Same<A, B>): void {}

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
  same<ReturnType<typeof house.add>, Promise<number>>(true);
  same<Parameters<typeof house.add>, [a: number, b: number]>(true);
  same<ReturnType<typeof house.later>, Promise<string>>(true);
  same<Parameters<typeof house.later>, [text: string, times?: number | undefined]>(true);
  same<Parameters<typeof house.many>, [first: string, ...rest: number[]]>(true);
  same<ReturnType<typeof house.many>, Promise<number>>(true);
  same<ReturnType<typeof house.nothing>, Promise<void>>(true);
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
  same<ReturnType<typeof house.map.attic.title>, Promise<string>>(true);
  same<ReturnType<typeof house.map.count>, Promise<number>>(true);
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
  same<ReturnType<typeof counter>, Promise<number>>(true);
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

export function contexts(): void {
  same<Parameters<typeof house.slow>, [n: number]>(true);
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
  same<ReturnType<typeof remote.add>, Promise<number>>(true);
  same<ReturnType<typeof remote.sub.title>, Promise<string>>(true);
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
  same<Parameters<typeof house.standard>, [value: Standard]>(true);
  same<ReturnType<typeof house.standard>, Promise<Standard>>(true);
  same<ReturnType<typeof house.registry>, Promise<Registry>>(true);
  same<Parameters<typeof house.registry>, [value: Registry]>(true);
  // but for services and functions in them.
  const plan = await house.plan(new Map([["", new Room()]]));
  same<typeof plan, ReadonlyMap<string, Remote<Room>>>(true);
  await house.plan(new Map<string, Room | Remote<Room>>([["", house.hall]]));
  // @ts-expect-error -- no room
  await house.plan(new Map([["", 1]]));
  const hearers = await house.keys(new Set([house.hall]));
  for (const hear of hearers) same<ReturnType<typeof hear>, Promise<void>>(true);
}

class Feed extends Service {
  @expose async *numbers(to: number) {
    yield { at: to };
  }
  @expose async later(): Promise<ReadableStream<string>> {
    return new ReadableStream<string>();
  }
  @expose async sum(numbers: AsyncIterable<number>, stop?: AbortSignal): Promise<number> {
    for await (const number of numbers) if (stop?.aborted === true) return number;
    return 0;
  }
  @expose nested(): { readonly inner: readonly AsyncIterable<Room>[] } {
    return { inner: [] };
  }
  @expose room(): Room {
    return new Room();
  }
}

export async function streams(feed: Remote<Feed>): Promise<void> {
  // A stream is read without being awaited,
  same<ReturnType<typeof feed.numbers>, AsyncIterable<{ at: number }>>(true);
  for await (const { at } of feed.numbers(3)) same<typeof at, number>(true);
  // but for one in a promise.
  same<ReturnType<typeof feed.later>, Promise<AsyncIterable<string>>>(true);
  const { inner } = await feed.nested();
  for (const stream of inner) for await (const room of stream) same<typeof room, Remote<Room>>(true);
  const numbers = async function* () {
    yield 1;
  };
  same<Awaited<ReturnType<typeof feed.sum>>, number>(true);
  await feed.sum(numbers());
  await feed.sum(new ReadableStream<number>(), AbortSignal.timeout(5));
  // @ts-expect-error -- items of another type
  await feed.sum(feed.numbers(3));
  // @ts-expect-error -- no stream
  await feed.sum([1]);
}

export async function pipelines(feed: Remote<Feed>): Promise<void> {
  const room = pipeline(feed.room());
  same<typeof room, Remote<Room>>(true);
  same<ReturnType<typeof room.title>, Promise<string>>(true);
  await feed.sum(
    (async function* () {
      yield pipeline(feed.sum(feed.numbers(3) as unknown as AsyncIterable<number>));
    })(),
  );
  // @ts-expect-error -- no promise
  pipeline(5);
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
