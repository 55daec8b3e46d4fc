// Reads one payload for a codec, or one packed segment, and says what it took: run by test/hostile/t11-compression-bombs.test.ts.
import { performance } from "node:perf_hooks";
import { MsgPackBloscCodec, MsgPackCodec, compressed } from "../../src/index.ts";
import type { CompressionAlgorithm } from "../../src/index.ts";

const [algorithm = "", kind = "", rawLength = "0"] = process.argv.slice(2);
const chunks: Buffer[] = [];
for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
const payload = Buffer.concat(chunks);

const Codec =
  algorithm === "blosc"
    ? MsgPackBloscCodec
    : compressed(MsgPackCodec, { algorithm: algorithm as CompressionAlgorithm });
const codec = new Codec();
// What is made once for all is no part of it.
await codec.decode(await codec.encode("warm ".repeat(10_000)));

const before = process.memoryUsage().rss;
const start = performance.now();
let outcome = "none";
try {
  const result =
    kind === "segment" ? await codec.packer!.unpackSegment(payload, Number(rawLength)) : codec.decode(payload);
  outcome = typeof (await result);
} catch (error) {
  outcome = (error as Error).message;
}
const milliseconds = performance.now() - start;
const grown = Math.max(process.memoryUsage().rss - before, process.resourceUsage().maxRSS * 1024 - before);
process.stdout.write(JSON.stringify({ outcome, milliseconds, grown }));
