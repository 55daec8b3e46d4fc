import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { JsonCodec } from "../src/json-codec.ts";
import { MsgPackBloscCodec } from "../src/msgpack-blosc-codec.ts";
import { MsgPackCodec } from "../src/msgpack-codec.ts";
import type { SerializerFactory } from "../src/serializers.ts";
import { bytes, decodeMessage, encodeMessage, frame, hex, payloads } from "./support.ts";

const CODECS = { json: JsonCodec, msgpack: MsgPackCodec, "msgpack-blosc": MsgPackBloscCodec };

interface Vector {
  readonly name: string;
  readonly codec: keyof typeof CODECS;
  readonly message: readonly [number, number, unknown];
  readonly frame: string;
}

class Moment {
  readonly data: unknown;
  constructor(data: unknown) {
    this.data = data;
  }
}
class Extra {
  readonly data: unknown;
  constructor(data: unknown) {
    this.data = data;
  }
}
class Stub {
  readonly data: unknown;
  constructor(data: unknown) {
    this.data = data;
  }
}

type Wrapper = typeof Moment | typeof Extra | typeof Stub;

function serializer(type: Wrapper): SerializerFactory {
  return () => [type, (value: Moment) => value.data, (data: unknown) => new type(data)];
}

/** The types in the order in which aiomas registers them: dates in containers, extra serializers, the fallback for services. */
function typesOf({ name }: Vector): Wrapper[] {
  const isContainer = name.endsWith(", container");
  const hasExtra = name.startsWith("extra serializer") || name.startsWith("numpy");
  return [...(isContainer ? [Moment] : []), ...(hasExtra ? [Extra] : []), Stub];
}

/** What a vector's message stands for. */
function meant(value: unknown, types: readonly Wrapper[]): unknown {
  if (Array.isArray(value)) return value.map((item) => meant(item, types));
  if (typeof value !== "object" || value === null) return value;
  const map = value as Record<string, unknown>;
  if (typeof map["$bytes"] === "string") return new Uint8Array(bytes(map["$bytes"]));
  if (Array.isArray(map["__type__"])) {
    const [typeId, data] = map["__type__"] as [number, unknown];
    return new types[typeId]!(meant(data, types));
  }
  return Object.fromEntries(Object.entries(map).map(([key, item]) => [key, meant(item, types)]));
}

const { vectors } = JSON.parse(readFileSync(new URL("../../../test-vectors/aiomas.json", import.meta.url), "utf8")) as {
  vectors: Vector[];
};

describe("the test vectors of aiomas", () => {
  it("are there", () => {
    for (const name of Object.keys(CODECS))
      expect(vectors.filter(({ codec }) => codec === name).length).toBeGreaterThan(15);
  });

  for (const vector of vectors) {
    const types = typesOf(vector);
    const serializers = types.map((type) => serializer(type));
    const makeCodec = () => new CODECS[vector.codec](serializers);
    const [type, id] = vector.message;
    const content = meant(vector.message[2], types);

    it(`${vector.codec}, ${vector.name}: is read as what it says`, () => {
      const found = payloads(bytes(vector.frame));
      expect(found).toHaveLength(1);
      expect(decodeMessage(makeCodec(), found[0]!)).toStrictEqual({ type, id, content, error: undefined });
      expect(makeCodec().decode(found[0]!)).toStrictEqual([type, id, content]);
    });

    it(`${vector.codec}, ${vector.name}: what is written is read as the same`, () => {
      const payload = encodeMessage(makeCodec(), type, id, content);
      expect(decodeMessage(makeCodec(), payload)).toStrictEqual({ type, id, content, error: undefined });
      if (vector.codec !== "json") expect(hex(frame(payload))).toBe(vector.frame);
    });
  }
});
