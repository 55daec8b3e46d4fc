import {
  JsonCodec,
  MsgPackBloscCodec,
  MsgPackCodec,
  StructuredCloneCodec,
  compressed,
  connectChannel,
} from "@colloquy/core";
import type { SerializerFactory } from "@colloquy/core";
import { expose } from "@colloquy/rpc";
import type { Remote } from "@colloquy/rpc";
import { describe, expect, it } from "vitest";
import { Agent, DateTime, ExternalClock } from "../src/index.ts";
import { Echo, failureOf, newAddress, newContainer } from "./support.ts";

class Point {
  readonly x: number;
  readonly y: number;

  constructor(x: number, y: number) {
    this.x = x;
    this.y = y;
  }
}

class Size {
  readonly width: number;

  constructor(width: number) {
    this.width = width;
  }
}

const point: SerializerFactory<Point> = () => [
  Point,
  (p) => [p.x, p.y],
  (data) => new Point(...(data as [number, number])),
];
const size: SerializerFactory<Size> = () => [Size, (s) => s.width, (data) => new Size(data as number)];

class Giver extends Agent {
  @expose give(): unknown {
    return [DateTime.utc(2016, 1, 1), new Point(1, 2), new Size(3), this];
  }

  @expose day(date: DateTime): number {
    return date.day;
  }

  @expose async dayOf(other: Remote<Giver>, date: DateTime): Promise<number> {
    return other.day(date);
  }
}

describe.each([
  ["json", JsonCodec],
  ["msgpack", MsgPackCodec],
  ["msgpack-blosc", MsgPackBloscCodec],
])("containers that speak %s", (_name, codec) => {
  it("send dates", async () => {
    const [here, there] = [await newContainer(newAddress(), { codec }), await newContainer(newAddress(), { codec })];
    const agent = await there.spawn(new Echo());
    const proxy = await here.connect<Echo>(agent.address);
    const date = DateTime.fromISO("2024-07-01T12:30:00.250+02:00", { setZone: true });
    const arrived = (await proxy.echo({ when: [date] })) as { when: [DateTime] };
    expect(arrived.when[0].toISO()).toBe("2024-07-01T12:30:00.250+02:00");
  });

  it("send extra types behind dates", async () => {
    const options = { codec, extraSerializers: [point, size] };
    const [here, there] = [await newContainer(newAddress(), options), await newContainer(newAddress(), options)];
    const proxy = await here.connect<Giver>((await there.spawn(new Giver())).address);
    const [date, aPoint, aSize, agent] = (await proxy.give()) as [DateTime, Point, Size, Remote<Giver>];
    expect([date.toMillis(), aPoint, aSize]).toEqual([1_451_606_400_000, new Point(1, 2), new Size(3)]);
    expect(await agent.day(DateTime.utc(2020, 5, 17))).toBe(17);
    expect(await proxy.dayOf(agent, DateTime.utc(2020, 5, 18))).toBe(18);
  });

  it("K6 number dates 0, extra types 1 to n, services n + 1", async () => {
    const container = await newContainer(newAddress(), { codec, extraSerializers: [point, size] });
    await container.spawn(new Giver());
    const typed = (typeId: number, data: unknown): unknown => ({ typed: [typeId, data] });
    const numbered = [DateTime, Point, Size, Object].map((type, typeId): SerializerFactory => () => [
      type as never,
      () => null,
      (data: unknown) => typed(typeId, data),
    ]);
    const channel = await connectChannel(container.address, { codec, extraSerializers: numbered });
    expect(await channel.send(["agents/0/give", [], {}])).toEqual([
      typed(0, "2016-01-01T00:00:00+00:00"),
      typed(1, [1, 2]),
      typed(2, 3),
      typed(3, "agents/0"),
    ]);
    await channel.close({ graceMs: 0 });
  });

  it("can be connected to where the server takes any codec", async () => {
    const there = await newContainer(newAddress(), { codec: "auto" });
    const agent = await there.spawn(new Giver());
    const here = await newContainer(newAddress(), { codec });
    const guest = await here.spawn(new Giver());
    const proxy = await here.connect<Giver>(agent.address);
    expect(await proxy.dayOf(guest, DateTime.utc(2020, 5, 17))).toBe(17);
  });
});

describe("different serializers", () => {
  it.each([
    ["one is missing", [point], []],
    ["one is too many", [], [point]],
    ["their order differs", [point, size], [size, point]],
  ])("are a clear error on connect where %s", async (_case, ours, theirs) => {
    const here = await newContainer(newAddress(), { extraSerializers: ours });
    const there = await newContainer(newAddress(), { extraSerializers: theirs });
    const agent = await there.spawn(new Echo());
    for (let count = 0; count < 2; count++) {
      const error = await failureOf(here.connect(agent.address));
      expect(error).toMatchObject({ code: "PROTOCOL_ERROR", message: expect.stringContaining("serializers") });
      for (const name of ["DateTime", "Point"]) expect(error.message).toContain(name);
    }
    expect(here.connections).toEqual([]);
  });

  it("for one type, such as a second one for dates, are refused by create", async () => {
    const dates: SerializerFactory<DateTime> = () => [
      DateTime,
      (date) => date.toMillis(),
      (ms) => DateTime.fromMillis(ms as number),
    ];
    const made = newContainer(newAddress(), { extraSerializers: [dates] });
    await expect(made).rejects.toThrow(/DateTime/);
  });

  it("that are no list are refused by create", async () => {
    const made = newContainer(newAddress(), { extraSerializers: 5 as never });
    await expect(made).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });
});

describe.each([
  ["structured-clone", StructuredCloneCodec],
  ["msgpack+deflate", compressed(MsgPackCodec, { algorithm: "deflate", threshold: 0 })],
])("containers that speak %s", (_name, codec) => {
  it("A1 send dates, agents and the types of the user", async () => {
    const options = { codec, extraSerializers: [point, size] };
    const [here, there] = [await newContainer(newAddress(), options), await newContainer(newAddress(), options)];
    const agent = await there.spawn(new Giver());
    const proxy = await here.connect<Giver>(agent.address);
    const [date, ...rest] = (await proxy.give()) as [DateTime, Point, Size, Remote<Giver>];
    expect(date.toISO()).toBe("2016-01-01T00:00:00.000Z");
    expect(rest.slice(0, 2)).toEqual([new Point(1, 2), new Size(3)]);
    expect(await proxy.dayOf(rest[2] as never, DateTime.utc(2020, 2, 29))).toBe(29);
  });
});

describe("different codecs", () => {
  it("are an error on connect, and nothing hangs", async () => {
    const here = await newContainer(newAddress(), { codec: JsonCodec });
    const there = await newContainer(newAddress(), { codec: MsgPackCodec });
    const agent = await there.spawn(new Echo());
    expect(await failureOf(here.connect(agent.address))).toMatchObject({
      code: "PROTOCOL_ERROR",
      executed: "no",
      message: expect.stringContaining("the server speaks msgpack"),
    });
  });
});

describe("a clock", () => {
  it("is shared by several containers and ended by none", async () => {
    const clock = new ExternalClock("2020-01-01T00:00:00Z");
    const [a, b] = [await newContainer(newAddress(), { clock }), await newContainer(newAddress(), { clock })];
    expect([a.clock, b.clock]).toEqual([clock, clock]);
    class Sleeper extends Agent {
      @expose async sleep(dt: number): Promise<number> {
        await this.container.clock.sleep(dt);
        return this.container.clock.time();
      }
    }
    const sleeper = await b.spawn(new Sleeper());
    const proxy = await a.connect<Sleeper>(sleeper.address);
    const slept = proxy.sleep(10);
    // The call is there once a later one has been answered.
    await a.connect(sleeper.address);
    clock.setTime(10);
    expect(await slept).toBe(10);
    await b.shutdown();
    const later = clock.sleep(5, "still ticking");
    clock.setTime(15);
    expect(await later).toBe("still ticking");
  });

  it("is one of its own for each container, where none is given", async () => {
    const [a, b] = [await newContainer(), await newContainer()];
    expect(a.clock).not.toBe(b.clock);
    await a.shutdown();
    expect(await b.clock.sleep(0, "on")).toBe("on");
    await expect(a.clock.sleep(0)).rejects.toMatchObject({ code: "CANCELLED" });
  });
});
