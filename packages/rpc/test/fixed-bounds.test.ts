import { describe, expect, test } from "vitest";
import { Service, ServiceTable, SlotTable, connect, digestOf, expose, serve, service } from "../src/index.ts";
import { resolveLimits } from "@colloquy/core";
import { metadataOf } from "../src/metadata.ts";
import { Router } from "../src/router.ts";
import { WirePeer, newAddress, pair } from "./support.ts";

class Root extends Service {
  @expose number(value: number): number {
    return value;
  }
  readonly #kept: unknown[] = [];
  @expose keep(value: unknown): void {
    this.#kept.push(value);
  }
  @expose text(length: number): string {
    return "x".repeat(length);
  }
  @expose service(): Service {
    return new Root();
  }
  @expose async *numbers(): AsyncGenerator<number> {
    for (let number = 0; ; number++) yield number;
  }
}

/** Refused: it throws, rejects, or resolves with false. */
type Attempt = (size: number) => unknown;

function nested(levels: number): object {
  let value: object = {};
  for (let level = 1; level < levels; level++) value = { a: value };
  return value;
}

async function credentialsOf(bytes: number): Promise<void> {
  await using server = await serve(newAddress(), new Root(), { authenticate: () => "anybody" });
  // A text takes 9 bytes and its length.
  const client = await connect(server.address, { credentials: "x".repeat(bytes - 9) });
  client.destroy();
}

/** Requests behind a hello whose credentials are being checked: whether all are kept. */
async function early(count: number): Promise<boolean> {
  let end!: () => void;
  const authenticate = (): Promise<string> => new Promise((resolve) => (end = () => resolve("somebody")));
  await using server = await serve(newAddress(), new Root(), { authenticate });
  await using wire = await WirePeer.connect(server.address);
  wire.send([0, 0, ["$/hello", [{ protocol: 1, auth: 1 }], {}]]);
  for (let id = 1; id <= count; id++) wire.send([0, id, ["number", [id], {}]]);
  await wire.rest();
  end();
  const types = [];
  for (let answer = 0; answer <= count; answer++) types.push((await wire.next())[0]);
  return !types.includes(2);
}

/** Calls on a result behind so many others: whether it was kept. */
async function kept(count: number): Promise<boolean> {
  await using server = await serve(newAddress(), new Root());
  await using wire = await WirePeer.connect(server.address);
  await wire.hello();
  for (let made = 0; made < count; made++) expect((await wire.request("service"))[0]).toBe(1);
  return (await wire.request("$/result/1/number", [7]))[0] === 1;
}

async function pulled(count: number): Promise<number> {
  await using server = await serve(newAddress(), new Root());
  await using wire = await WirePeer.connect(server.address);
  await wire.hello();
  await wire.request("numbers");
  const [, [items]] = (await wire.request("$/pull", [1, count, 1e9])) as [number, [unknown[], boolean]];
  return items.length;
}

/** Whether a path is found below the last of so many services, the root among them. */
function searched(count: number): boolean {
  const target = new Root();
  const others = Array.from({ length: count - 2 }, () => new Root());
  const router = new Router(resolveLimits());
  router.serve(service({ ...Object.fromEntries(others.entries()), last: service({ target }) }));
  return router.pathOf(target) !== undefined;
}

class Rooms extends ServiceTable {
  readonly #rooms: readonly object[];
  constructor(rooms: readonly object[]) {
    super();
    this.#rooms = rooms;
  }
  override lookup(name: string): object | undefined {
    return this.#rooms[Number(name)];
  }
  override nameOf(room: object): string {
    return String(this.#rooms.indexOf(room));
  }
}

/** Whether the first of so many services behind an accessor is known by its path once the path of each was asked for. */
function remembered(count: number): boolean {
  const rooms = Array.from({ length: count }, () => new Root());
  const hall = new Rooms(rooms);
  const router = new Router(resolveLimits());
  router.serve(Object.defineProperty(service({}), "hall", { enumerable: true, get: () => hall }));
  for (const room of rooms) router.pathOf(room);
  return router.named(undefined, "hall/0") === rooms[0];
}

/** Whether a slot behind others, so many in all, is found by its digest at once. */
function made(count: number): boolean {
  const table = new SlotTable<number>();
  const slots = Array.from({ length: count }, (_, index) => `slot ${index}`);
  table.add(slots, 1);
  return table.find(digestOf(slots.at(-1)!)) !== null;
}

/** Whether a side takes so many functions of a peer that may itself hand out half as many. */
async function taken(count: number): Promise<boolean> {
  await using server = await serve(newAddress(), new Root(), { limits: { maxReferenceCount: 5 } });
  await using wire = await WirePeer.connect(server.address);
  await wire.hello();
  const functions = Array.from({ length: count }, (_, index) => ({ __type__: [-2, `$/ref/${index + 1}`] }));
  return (await wire.request("keep", [functions]))[0] === 1;
}

/** Whether so many results of 1,000 bytes, encoded, may be arguments of one request, where a message may have 20,000. */
async function copied(count: number): Promise<boolean> {
  await using server = await serve(newAddress(), new Root(), { limits: { maxMessageBytes: 20_000 } });
  await using wire = await WirePeer.connect(server.address);
  await wire.hello();
  const resultOf = (id: number): unknown => ({ __type__: [-16, [id, ""]] });
  await wire.request("text", [1]);
  // From the first that is addressed on values are kept, too.
  await wire.request("keep", [resultOf(1)]);
  await wire.request("text", [1000 - JSON.stringify([""]).length]);
  return (await wire.request("keep", [Array.from({ length: count }, () => resultOf(3))]))[0] === 1;
}

const edges: readonly (readonly [row: string, bound: number, attempt: Attempt])[] = [
  [
    "metadata of a call",
    64,
    (size) => metadataOf(Object.fromEntries(Array.from({ length: size }, (_, key) => [`k${key}`, 1]))),
  ],
  ["metadata of a call", 8, (size) => metadataOf(nested(size))],
  // The map and the text take 9 bytes each, and the key one.
  ["metadata of a call", 16_384, (size) => metadataOf({ a: "x".repeat(size - 19) })],
  ["credentials of a client", 32_768, credentialsOf],
  ["requests that come before credentials are checked", 4, early],
  ["results kept for calls on them", 64, kept],
  ["services searched for the path of one that is sent", 1000, searched],
  ["paths of services behind accessors that a peer has got", 1000, remembered],
  ["digests of slots made for such questions in one turn of the event loop", 256, made],
  ["copies of results among the arguments of one request", 20, copied],
  ["references of a peer, with a maxReferenceCount of 5", 10, taken],
];

async function passes(attempt: Attempt, size: number): Promise<boolean> {
  try {
    return (await attempt(size)) !== false;
  } catch {
    return false;
  }
}

describe("fixed bounds at their edges:", () => {
  test.each(edges)("%s (%i)", async (_row, bound, attempt) => {
    const found = [];
    for (const size of [bound - 1, bound, bound + 1]) found.push(await passes(attempt, size));
    expect(found).toEqual([true, true, false]);
  });

  test("items of a stream in one answer", async () => {
    const found = [];
    for (const size of [4095, 4096, 4097]) found.push(await pulled(size));
    expect(found).toEqual([4095, 4096, 4096]);
  });

  test("checks of credentials of one connection", async () => {
    const ends: (() => void)[] = [];
    let checks = 0;
    const authenticate = (): Promise<number> | number =>
      checks++ === 0 ? 0 : new Promise((resolve) => void ends.push(() => resolve(1)));
    await using link = await pair(new Root(), { credentials: 1, serve: { authenticate } });
    const first = link.client.reauthenticate(1);
    await expect(link.client.reauthenticate(1)).rejects.toMatchObject({ code: "RESOURCE_EXHAUSTED" });
    for (const end of ends) end();
    await first;
  });
});
