import { packageVersion } from "../versions.ts";

/** A codec under test. Encoding yields bytes that stay valid when the next value is encoded. */
export interface TestedCodec {
  readonly versions: Readonly<Record<string, string>>;
  encode(value: unknown): Uint8Array;
  decode(bytes: Uint8Array): unknown;
}

function versionsOf(...names: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(names.map((name) => [name, packageVersion(name)]));
}

async function colloquy(name: "MsgPackCodec" | "JsonCodec"): Promise<TestedCodec> {
  const core = await import("@colloquy/core");
  const codec = new core[name]();
  return {
    versions: versionsOf("@colloquy/core"),
    encode: (value) => codec.encode(value),
    decode: (bytes) => codec.decode(bytes),
  };
}

async function msgpackr(options: { useRecords: boolean; structures?: object[] }): Promise<TestedCodec> {
  const { Packr } = await import("msgpackr");
  const packr = new Packr(options);
  return {
    versions: versionsOf("msgpackr"),
    encode: (value) => packr.pack(value),
    decode: (bytes) => packr.unpack(bytes) as unknown,
  };
}

async function msgpackJavaScript(): Promise<TestedCodec> {
  const { Decoder, Encoder } = await import("@msgpack/msgpack");
  const encoder = new Encoder();
  const decoder = new Decoder();
  return {
    versions: versionsOf("@msgpack/msgpack"),
    encode: (value) => encoder.encode(value),
    decode: (bytes) => decoder.decode(bytes),
  };
}

async function cborX(): Promise<TestedCodec> {
  const { Encoder } = await import("cbor-x");
  const encoder = new Encoder({ useRecords: false });
  return {
    versions: versionsOf("cbor-x"),
    encode: (value) => encoder.encode(value),
    decode: (bytes) => encoder.decode(bytes) as unknown,
  };
}

function json(): Promise<TestedCodec> {
  return Promise.resolve({
    versions: {},
    encode: (value) => Buffer.from(JSON.stringify(value)),
    decode: (bytes) => JSON.parse((bytes as Buffer).toString()) as unknown,
  });
}

async function v8(): Promise<TestedCodec> {
  const { deserialize, serialize } = await import("node:v8");
  return { versions: {}, encode: serialize, decode: (bytes) => deserialize(bytes) as unknown };
}

/** Every codec by name, in the order of the report. Records with shared keys are what one connection would keep. */
export const codecs: Readonly<Record<string, () => Promise<TestedCodec>>> = {
  msgpackr: () => msgpackr({ useRecords: false }),
  "msgpackr, records": () => msgpackr({ useRecords: true }),
  "msgpackr, records with shared keys": () => msgpackr({ useRecords: true, structures: [] }),
  "colloquy MsgPack": () => colloquy("MsgPackCodec"),
  "colloquy JSON": () => colloquy("JsonCodec"),
  "@msgpack/msgpack": msgpackJavaScript,
  "cbor-x": cborX,
  JSON: json,
  "v8.serialize": v8,
};

/** The codec that all ratios are relative to. */
export const yardstick = "msgpackr";
