// Decodes one message of many tiny values that costs just what is allowed; prints by how much the process has grown.
import { JsonCodec, MsgPackCodec, StandardTypes, resolveLimits } from "../../src/index.ts";
import type { Codec } from "../../src/index.ts";

const [format, unit, allowed] = process.argv.slice(2) as [string, string, string];
const maxDecodedCost = Number(allowed);

function payloadOf(count: number): Buffer {
  if (format === "json") return Buffer.from(`[${Array.from({ length: count }, () => unit).join(",")}]`);
  const head = Buffer.from([0xdd, 0, 0, 0, 0]);
  head.writeUInt32BE(count, 1);
  return Buffer.concat([head, Buffer.alloc((count * unit.length) / 2, unit, "hex")]);
}

function codecWith(cost: number): Codec {
  const codec = format === "json" ? new JsonCodec() : new MsgPackCodec();
  codec.limits = resolveLimits({ maxDecodedCost: cost });
  const types = new StandardTypes(codec, "standard");
  types.expected = true;
  codec.setBuiltins(types);
  return codec;
}

function fits(payload: Buffer, cost: number): boolean {
  try {
    codecWith(cost).decode(payload);
    return true;
  } catch {
    return false;
  }
}

/** The least cost that is allowed for a message of so many values; one that is large has costs of its own. */
function costOf(count: number): number {
  const payload = payloadOf(count);
  let [low, high] = [1, 2 ** 28];
  while (high - low > count) {
    const middle = Math.floor((low + high) / 2);
    if (fits(payload, middle)) high = middle;
    else low = middle;
  }
  return high / count;
}

const unitCost = costOf(20_000);
const count = Math.floor((maxDecodedCost / unitCost) * 0.98);
const payload = payloadOf(count);
const before = process.memoryUsage().rss;
const value = codecWith(maxDecodedCost).decode(payload) as unknown[];
const grown = process.memoryUsage().rss - before;
console.log(JSON.stringify({ count: value.length, unitCost, grown }));
