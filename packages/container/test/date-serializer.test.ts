import { readFileSync } from "node:fs";
import { JsonCodec, MsgPackCodec } from "@colloquy/core";
import { Settings } from "luxon";
import { describe, expect, it } from "vitest";
import { DateTime, dateSerializer } from "../src/index.ts";
import { caught } from "./external-clock-support.ts";

const codecs = [
  ["json", () => new JsonCodec([dateSerializer])],
  ["msgpack", () => new MsgPackCodec([dateSerializer])],
] as const;

interface Vector {
  readonly name: string;
  readonly codec: string;
  readonly message: unknown;
  readonly frame: string;
}

const { vectors } = JSON.parse(readFileSync(new URL("../../../test-vectors/aiomas.json", import.meta.url), "utf8")) as {
  vectors: Vector[];
};

function dateVector(codec: string): Buffer {
  const found = vectors.find((vector) => vector.name === "date, container" && vector.codec === codec)!;
  return Buffer.from(found.frame, "hex").subarray(4);
}

const vectorMessage = [1, 3, DateTime.utc(2016, 1, 1)];

describe.each(codecs)("dates in %s", (_name, newCodec) => {
  it.each([
    ["2016-01-01T00:00:00+00:00", DateTime.utc(2016, 1, 1)],
    ["2016-01-01T00:00:00.005+00:00", DateTime.utc(2016, 1, 1, 0, 0, 0, 5)],
    ["2024-07-01T12:30:00+02:00", DateTime.fromISO("2024-07-01T12:30:00", { zone: "Europe/Berlin" })],
    ["2024-07-01T12:30:00.250-09:30", DateTime.fromISO("2024-07-01T12:30:00.250-09:30", { setZone: true })],
    ["1969-12-31T23:59:59.999+00:00", DateTime.fromMillis(-1, { zone: "utc" })],
  ])("are written as %s", (text, date) => {
    const codec = newCodec();
    const plain = codec.name === "json" ? new JsonCodec() : new MsgPackCodec();
    const encoded = codec.encode([date]);
    expect(Buffer.from(encoded).includes(text)).toBe(true);
    const [arrived] = codec.decode(encoded) as [DateTime];
    expect(arrived).toBeInstanceOf(DateTime);
    expect(arrived.toMillis()).toBe(date.toMillis());
    expect(arrived.offset).toBe(date.offset);
    expect(() => plain.encode([date])).toThrow(/DateTime/);
  });

  it.each([
    ["2016-01-01T00:00:00Z", 1_451_606_400_000, 0],
    ["2016-01-01T01:00:00+01:00", 1_451_606_400_000, 60],
    ["2016-01-01T00:00:00.123456+00:00", 1_451_606_400_123, 0],
  ])("read %s as Python writes it", (text, millis, offset) => {
    const [, , read] = dateSerializer() as [unknown, unknown, (text: unknown) => DateTime];
    expect([read(text).toMillis(), read(text).offset]).toEqual([millis, offset]);
  });

  it("take a text without an offset for UTC, wherever the process runs", () => {
    const [, , read] = dateSerializer() as [unknown, unknown, (text: unknown) => DateTime];
    const zone = Settings.defaultZone;
    Settings.defaultZone = "Asia/Tokyo";
    try {
      expect(read("2016-01-01T00:00:00").toMillis()).toBe(1_451_606_400_000);
      expect(read("2016-01-01T00:00:00+02:00").offset).toBe(120);
    } finally {
      Settings.defaultZone = zone;
    }
  });

  it("keep the moment where the zone's offset has seconds", () => {
    const codec = newCodec();
    const date = DateTime.fromISO("1890-01-01T00:00:00", { zone: "Europe/Berlin" });
    const [arrived] = codec.decode(codec.encode([date])) as [DateTime];
    expect(arrived.toMillis()).toBe(date.toMillis());
  });

  it("refuse an invalid date, with the place where it stands", () => {
    const error = caught(() => newCodec().encode({ when: [DateTime.invalid("made up")] }));
    expect(error).toMatchObject({ code: "SERIALIZATION_ERROR", message: expect.stringContaining("invalid date") });
    expect(error).toMatchObject({ message: expect.stringContaining("when[0]") });
  });

  it.each([["yesterday"], [""], [5], [null], [["2016-01-01"]], ["2016-13-01T00:00:00+00:00"]])(
    "refuse to read %j",
    (content) => {
      const plain = newCodec().name === "json" ? new JsonCodec() : new MsgPackCodec();
      plain.addSerializer(
        DateTime,
        () => content,
        (x) => x,
      );
      const encoded = plain.encode([DateTime.utc()]);
      expect(caught(() => newCodec().decode(encoded))).toMatchObject({ code: "SERIALIZATION_ERROR" });
    },
  );
});

describe("the test vectors", () => {
  it("are what MsgPack writes, byte for byte", () => {
    const encoded = new MsgPackCodec([dateSerializer]).encode(vectorMessage);
    expect(Buffer.from(encoded).toString("hex")).toBe(dateVector("msgpack").toString("hex"));
  });

  it("are what JSON writes, but for Python's spaces", () => {
    const encoded = new JsonCodec([dateSerializer]).encode(vectorMessage);
    expect(Buffer.from(encoded).toString()).toBe(
      dateVector("json")
        .toString()
        .replaceAll(/(?<=[,:]) /g, ""),
    );
  });

  it.each(codecs)("are read from %s", (name, newCodec) => {
    const [type, id, date] = newCodec().decode(dateVector(name)) as [number, number, DateTime];
    expect([type, id, date.toISO()]).toEqual([1, 3, "2016-01-01T00:00:00.000Z"]);
  });
});

it.each([["2020-01-01T00:00:00[Europe/Berlin]"], [`2020-01-01T00:00:00${"0".repeat(64)}`]])(
  "refuses %s: what isn't ISO 8601 would stay in luxon's caches",
  (text) => {
    const codec = new JsonCodec([dateSerializer]);
    const bytes = Buffer.from(JSON.stringify([{ __type__: [0, text] }]));
    expect(caught(() => codec.decode(bytes))).toMatchObject({ code: "SERIALIZATION_ERROR" });
  },
);
