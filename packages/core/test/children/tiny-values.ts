// What messages of many tiny values take. `accepted <format> <shape> <cost>`: as many as cost that much; `refused
// <format> <shape> ...`: 16 MiB of each, one after the other. Run by `hostile/t09-measured.test.ts`.
import { readFileSync, writeFileSync } from "node:fs";
import { DEFAULT_LIMITS, JsonCodec, MsgPackCodec, StructuredCloneCodec } from "../../src/index.ts";
import { checkClone } from "../../src/clone-check.ts";
import { checkJson } from "../../src/json-check.ts";
import type { Codec } from "../../src/codec.ts";
import { checkMsgPack } from "../../src/msgpack-check.ts";

/** One value, by its number: JSON, and MsgPack or a structured clone in hex. */
type Unit = readonly [json: (index: number) => string, msgpack: (index: number) => string];

const hex = (text: string): string => (0xa0 + text.length).toString(16) + Buffer.from(text).toString("hex");
const name = (index: number): string => `k${index.toString(36).padStart(4, "0")}`;

function same(json: string, msgpack: string): Unit {
  return [() => json, () => msgpack];
}

/** A map of so many keys, none of which another map has. */
function distinctMap(keyCount: number): Unit {
  const keys = (index: number): string[] =>
    Array.from({ length: keyCount }, (_, entry) => name(index * keyCount + entry));
  const head = keyCount < 16 ? (0x80 + keyCount).toString(16) : `de00${keyCount.toString(16)}`;
  return [
    (index) =>
      `{${keys(index)
        .map((key) => `"${key}":1`)
        .join(",")}}`,
    (index) =>
      head +
      keys(index)
        .map((key) => `${hex(key)}01`)
        .join(""),
  ];
}

/** Eight keys in an order of their own. */
function mixed(index: number): string[] {
  const rest = Array.from({ length: 40 }, (_, key) => name(key));
  let seed = Math.imul(index + 1, 0x9e37_79b1) >>> 0;
  return Array.from({ length: 8 }, () => {
    seed = (Math.imul(seed ^ (seed >>> 15), 0x85eb_ca6b) + 1) >>> 0;
    return rest.splice(seed % rest.length, 1)[0]!;
  });
}

const SHAPES: Readonly<Record<string, Unit>> = {
  "empty arrays": same("[]", "90"),
  "empty maps": same("{}", "80"),
  "arrays of one": same("[1]", "9101"),
  "arrays of four": same("[1,2,3,4]", "9401020304"),
  "arrays of seventeen": same(`[${"1,".repeat(16)}1]`, `dc0011${"01".repeat(17)}`),
  "maps of one key": same('{"a":1}', "81a16101"),
  "maps of an empty key": same('{"":1}', "81a001"),
  "maps of new keys": distinctMap(1),
  "maps of eight new keys": distinctMap(8),
  "maps of 32 new keys": distinctMap(32),
  "maps of the same keys in other orders": [
    (index) =>
      `{${mixed(index)
        .map((key) => `"${key}":1`)
        .join(",")}}`,
    (index) =>
      `88${mixed(index)
        .map((key) => `${hex(key)}01`)
        .join("")}`,
  ],
  "maps of the key 0": same('{"0":1}', "81a13001"),
  "maps of the key 1022": same('{"1022":1}', "81a43130323201"),
  "maps of the key 99999": same('{"99999":1}', "81a5393939393901"),
  "arrays in arrays": same(`${"[".repeat(50)}${"]".repeat(50)}`, `${"91".repeat(49)}90`),
  "maps in maps": same('{"a":{"a":{"a":{}}}}', "81a16181a16181a16180"),
  "empty texts": same('""', "a0"),
  "texts of one character": same('"a"', "a161"),
  "texts of four characters": [(index) => `"${name(index)}"`, (index) => hex(name(index))],
  "characters of 16 bits": same('"日"', "a3e697a5"),
  escapes: same('"\\n"', "a10a"),
  "no bytes": same("null", "c400"),
  bytes: same("null", `c410${"00".repeat(16)}`),
  "numbers of 64 bits": same("1.5", "cb3ff8000000000000"),
  "numbers beside others": same("1.5,null", "92cb3ff8000000000000c0"),
  "integers of 64 bits": same("9007199254740993", "cfffffffffffffffff"),
  "large exponents": same("1e300", "cb7e37e43c8800759c"),
  "small integers": same("1", "01"),
  Maps: same("null", "c10500"),
  "Maps with an entry": same("null", "c105010000"),
  Sets: same("null", "c10600"),
  Dates: same("null", "c10400"),
  errors: same("null", "c108a0a0c280"),
  "errors of this library": same("null", "c108a0a0c080"),
  URLs: same("null", "c109a3613a62"),
  BigInts: same("null", "c107a131"),
  "typed arrays": same("null", "c10a08c400"),
  views: same("null", "c10cc400"),
  instances: same("null", "c102009101"),
  references: same("null", "c10000"),
};

const PAYLOAD_BYTES = DEFAULT_LIMITS.maxMessageBytes;
const MOST_UNIT_BYTES = 1000;
/** Written at once. */
const BATCH_COUNT = 1000;
const [task = "", format = "", ...shapes] = process.argv.slice(2);

/** An array of so many units, of at most 16 MiB; 0: as many as there is room for. */
function payloadOf(unit: Unit, count: number): { payload: Buffer; count: number } {
  const [json, msgpack] = unit;
  const bytes = Buffer.alloc(PAYLOAD_BYTES);
  const start = format === "clone" ? 1 : 0;
  let position = format === "json" ? bytes.write("[") : start + 5;
  let made = 0;
  const most = count === 0 ? Infinity : count;
  const encoding = format === "json" ? "utf8" : "hex";
  const text = (index: number): string =>
    format === "json" ? `${index === 0 ? "" : ","}${json(index)}` : msgpack(index);
  while (made < most && position + MOST_UNIT_BYTES < bytes.length) {
    // All alike but for the first one, which has no comma.
    if (made === 2 && msgpack(0) === msgpack(1)) {
      const unit = bytes.subarray(position - bytes.write(text(1), position, encoding), position);
      const fitting = Math.floor((bytes.length - MOST_UNIT_BYTES - position) / unit.length);
      const alike = Math.min(fitting, most - made);
      bytes.fill(unit, position, position + alike * unit.length);
      position += alike * unit.length;
      made += alike;
      break;
    }
    const hasRoom = made >= 2 && position + BATCH_COUNT * MOST_UNIT_BYTES < bytes.length;
    const first = made;
    made += hasRoom ? Math.min(BATCH_COUNT, most - made) : 1;
    let batch = "";
    for (let index = first; index < made; index++) batch += text(index);
    position += bytes.write(batch, position, encoding);
  }
  if (format === "json") position += bytes.write("]", position);
  else {
    if (start > 0) bytes[0] = 0xc1;
    bytes[start] = 0xdd;
    bytes.writeUInt32BE(made, start + 1);
  }
  return { payload: bytes.subarray(0, position), count: made };
}

/** Of structured clones without what the decoder counts: instances have no cost of their own. */
function cost(payload: Buffer): number {
  const { length } = payload;
  if (format === "json") return checkJson(payload, 0, length, 64, Infinity);
  return format === "clone"
    ? checkClone(payload, 1, length, 64, Infinity)
    : checkMsgPack(payload, 0, length, 64, Infinity);
}

const CODECS: Readonly<Record<string, new () => Codec>> = {
  json: JsonCodec,
  msgpack: MsgPackCodec,
  clone: StructuredCloneCodec,
};

function decode(payload: Buffer): string {
  const codec = new CODECS[format]!();
  try {
    return `${(codec.decode(payload) as unknown[]).length} values`;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Resident memory now, and at most since the last reset, where the system tells. */
function memory(): { now: number; most: number } {
  const now = process.memoryUsage.rss();
  try {
    const kibibytes = /VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
    return { now, most: kibibytes === undefined ? now : Number(kibibytes) * 1024 };
  } catch {
    return { now, most: process.resourceUsage().maxRSS * 1024 };
  }
}

function measured(payload: Buffer): object {
  global.gc!();
  try {
    writeFileSync("/proc/self/clear_refs", "5");
  } catch {
    // The peak is then that of the whole process.
  }
  const before = memory();
  const cpu = process.cpuUsage();
  const start = performance.now();
  const outcome = decode(payload);
  const milliseconds = performance.now() - start;
  const { user, system } = process.cpuUsage(cpu);
  const after = memory();
  const grown = Math.max(after.now, after.most > before.most ? after.most : 0) - before.now;
  return { outcome, milliseconds, cpuMilliseconds: (user + system) / 1000, grown };
}

// Once, so that the code is known to the engine as in a process that runs.
decode(payloadOf(SHAPES["maps of one key"]!, 20_000).payload);
if (task === "accepted") {
  const [shape, wanted] = shapes as [string, string];
  const unit = SHAPES[shape]!;
  const sample = payloadOf(unit, 20_000);
  const count = Math.floor((Number(wanted) / cost(sample.payload)) * sample.count * 0.97);
  process.stdout.write(JSON.stringify(measured(payloadOf(unit, count).payload)));
} else {
  const found = shapes.map((shape) => [shape, measured(payloadOf(SHAPES[shape]!, 0).payload)]);
  process.stdout.write(JSON.stringify(Object.fromEntries(found)));
}
