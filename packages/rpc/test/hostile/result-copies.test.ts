import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { decodedSize } from "@colloquy/core";
import { Service, expose } from "../../src/index.ts";
import type { ServeOptions } from "../../src/index.ts";
import { wireVisit } from "../wire-visit.ts";
import { turns, until } from "../support.ts";

/** Counts how often it is written and read. */
class Mark {
  static writtenCount = 0;
  static readCount = 0;
}
const marks = [
  () =>
    [
      Mark,
      () => {
        Mark.writtenCount++;
        return null;
      },
      () => {
        Mark.readCount++;
        return new Mark();
      },
    ] as const,
];

/** To copy it takes longer than a connection has in a turn of the event loop. */
const ROWS = Array.from({ length: 200_000 }, (_, index) => index);
const WAITING = 12;

class Desk extends Service {
  readonly starts: { readonly name: unknown; readonly turn: number }[] = [];
  readonly ends: (() => void)[] = [];
  turn = 0;
  #settle!: (value: unknown) => void;
  settle(value: unknown): void {
    this.#settle(value);
  }
  /** Counts turns of the event loop as long as it runs. */
  count(): Disposable {
    let immediate: NodeJS.Immediate;
    const next = (): void => {
      this.turn++;
      immediate = setImmediate(next);
    };
    next();
    return { [Symbol.dispose]: () => clearImmediate(immediate) };
  }

  @expose later() {
    return new Promise<unknown>((resolve) => (this.#settle = resolve));
  }
  @expose start(name: unknown, ..._given: unknown[]) {
    this.starts.push({ name, turn: this.turn });
  }
  @expose hold(name: unknown, ..._given: unknown[]) {
    this.starts.push({ name, turn: this.turn });
    return new Promise<void>((resolve) => void this.ends.push(resolve));
  }
}

function result(id: number): unknown {
  return { __type__: [-16, [id, ""]] };
}

/** A server with a request 50 under way, and others that hang on it. */
async function waiting(requests: (id: number) => unknown[], limits: ServeOptions["limits"] = {}, count = WAITING) {
  Mark.writtenCount = Mark.readCount = 0;
  const desk = new Desk();
  const field = await wireVisit(desk, { extraSerializers: marks, limits }, { serializers: ["Mark"] });
  const ids = Array.from({ length: count }, (_, index) => 51 + index);
  field.wire.send([0, 50, ["later", [], {}]], ...ids.map((id) => [0, id, requests(id)]));
  await until(() => field.connection.stats().running === 1 + count);
  return { ...field, desk, ids };
}

describe("Copies of one large result for many requests", () => {
  test("are made in turns of the event loop, in the order of the requests, of bytes that were made once", async () => {
    await using field = await waiting((id) => ["start", [id, result(50)], {}]);
    const { wire, desk, ids, connection } = field;
    using _ticks = desk.count();
    desk.settle([ROWS, new Mark()]);
    await until(() => desk.starts.length === WAITING);
    expect(desk.starts.map(({ name }) => name)).toStrictEqual(ids);
    expect(new Set(desk.starts.map(({ turn }) => turn)).size).toBe(WAITING);
    expect(Mark.readCount).toBe(WAITING);
    // For the answer, and for all copies.
    expect(Mark.writtenCount).toBe(2);
    await until(() => connection.stats().running === 0);
    expect(connection.stats().heldBytes).toBe(0);
    expect(await wire.rest()).toHaveLength(1 + WAITING);
  });

  test("are refused before they are made where there is no room for them", async () => {
    const size = decodedSize([ROWS, new Mark()], Infinity);
    await using field = await waiting((id) => ["hold", [id, result(50)], {}], { maxHeldBytes: 3.5 * size });
    const { wire, desk, ids, connection } = field;
    desk.settle([ROWS, new Mark()]);
    expect((await wire.next()).slice(0, 2)).toStrictEqual([1, 50]);
    const refused = [];
    for (const _ of ids.slice(3)) refused.push(await wire.next());
    for (const [index, answer] of refused.entries())
      expect(answer).toMatchObject([2, ids[index + 3], { code: "RESOURCE_EXHAUSTED", executed: "no" }]);
    expect(Mark.readCount).toBe(3);
    for (const end of desk.ends) end();
    await until(() => connection.stats().running === 0);
    expect(connection.stats().heldBytes).toBe(0);
  });

  test("aren't made for requests that are cancelled or late meanwhile: these are answered then", async () => {
    await using field = await waiting((id) => [
      "start",
      [id, result(50)],
      {},
      ...(id === 60 ? [{ deadline: 60 }] : []),
    ]);
    const { wire, desk, ids, connection } = field;
    using _ticks = desk.count();
    desk.settle([ROWS, new Mark()]);
    // The first one has its copy then, and no other.
    await until(() => desk.starts.length === 1);
    wire.notify("$/cancel", 61);
    wire.notify("$/cancel", 62);
    const busyUntil = performance.now() + 100;
    while (performance.now() < busyUntil);
    const answers: any[] = [];
    while (answers.length < 1 + WAITING) answers.push(await wire.next());
    const codes = new Map(answers.map(([, id, content]) => [id, content?.code]));
    expect([60, 61, 62].map((id) => codes.get(id))).toStrictEqual(["DEADLINE_EXCEEDED", "CANCELLED", "CANCELLED"]);
    const left = ids.filter((id) => id < 60);
    expect(desk.starts.map(({ name }) => name)).toStrictEqual(left);
    expect(answers.findIndex(([, id]) => id === 62)).toBeLessThan(answers.findIndex(([, id]) => id === 59));
    expect(connection.stats()).toMatchObject({ running: 0, heldBytes: 0 });
  });

  test("aren't made any more once their connection has ended", async () => {
    await using field = await waiting((id) => ["start", [id, result(50)], {}]);
    const { wire, desk, connection } = field;
    desk.settle([ROWS, new Mark()]);
    await until(() => desk.starts.length === 1);
    wire.close();
    await connection.closed.catch(() => {});
    const { length } = desk.starts;
    await sleep(50);
    expect(desk.starts.length).toBe(length);
    expect(Mark.readCount).toBeLessThan(WAITING);
    expect(connection.stats()).toMatchObject({ running: 0, heldBytes: 0 });
  });

  test("are refused where it is larger than a message may be, which is found once", async () => {
    await using field = await waiting((id) => ["start", [id, result(50)], {}], { maxMessageBytes: 100_000 });
    const { wire, desk } = field;
    desk.settle([ROWS, new Mark()]);
    const answers = [];
    for (let count = 0; count <= WAITING; count++) answers.push(await wire.next());
    const codes = answers.map(([type, id, { code }]) => (id === 50 ? undefined : `${type} ${code}`));
    expect(codes.filter((code) => code === "2 RESULT_NOT_KEPT")).toHaveLength(WAITING);
    expect(Mark.writtenCount).toBeLessThanOrEqual(2);
  });

  test("fail all of them where it can't be encoded, which is found once", async () => {
    await using field = await waiting((id) => ["start", [id, result(50)], {}]);
    const { wire, desk } = field;
    desk.settle([new Mark(), Symbol("none")]);
    const answers = [];
    for (let count = 0; count <= WAITING; count++) answers.push(await wire.next());
    for (const [type, id, { code }] of answers)
      if (id !== 50) expect([type, code]).toStrictEqual([2, "SERIALIZATION_ERROR"]);
    expect(desk.starts).toStrictEqual([]);
    expect(Mark.writtenCount).toBeLessThanOrEqual(3);
  });
});

describe("Copies of one result for many places", () => {
  const PLACES = 10;
  const places = (id: number): unknown[] => ["start", [id, Array.from({ length: PLACES }, () => result(50))], {}];

  test("are made in turns of the event loop", async () => {
    await using field = await waiting(places, {}, 1);
    const { desk } = field;
    using _ticks = desk.count();
    const before = desk.turn;
    desk.settle([ROWS, new Mark()]);
    await until(() => desk.starts.length === 1);
    expect(desk.turn - before).toBeGreaterThanOrEqual(PLACES - 1);
    expect(Mark.readCount).toBe(PLACES);
  });

  test("are refused after the first one where all together are too large", async () => {
    const value = [Array.from({ length: 100 }, () => []), new Mark()];
    const maxDecodedCost = PLACES * decodedSize(value, Infinity) - 1;
    await using field = await waiting(places, { maxDecodedCost });
    const { wire, desk } = field;
    desk.settle(value);
    await wire.next();
    for (let count = 0; count < WAITING; count++)
      expect(await wire.next()).toMatchObject([2, 51 + count, { code: "RESULT_NOT_KEPT", executed: "no" }]);
    expect(Mark.readCount).toBe(1);
  });

  test("count as overhead by what was copied for them where they are refused", async () => {
    const limits = { maxOverheadPerSecond: 40, maxMessageBytes: 1_000_000 };
    await using field = await waiting(places, limits);
    const { wire, desk } = field;
    desk.settle("x".repeat(300_000));
    const answers = await until(() => field.connection.stats().running === 0).then(() => wire.rest());
    expect(answers).toHaveLength(1 + WAITING);
    // What may come in five seconds is used up, and what comes now is read later.
    wire.send([0, 99, ["start", [99], {}]]);
    await turns(20);
    expect(desk.starts).toStrictEqual([]);
  });
});
