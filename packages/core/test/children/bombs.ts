// Reads one payload for a codec, or one packed segment, and says what it took: run by `inChild` of test/hostile/measured.ts.
import { performance } from "node:perf_hooks";
import { MsgPackBloscCodec, MsgPackCodec, StructuredCloneCodec, compressed } from "../../src/index.ts";
import type { CompressionAlgorithm } from "../../src/index.ts";

const [algorithm = "", kind = "", rawLength = "0"] = process.argv.slice(2);
const chunks: Buffer[] = [];
for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
const payload = Buffer.concat(chunks);

const known = { blosc: MsgPackBloscCodec, clone: StructuredCloneCodec }[algorithm];
const codec = new (known ?? compressed(MsgPackCodec, { algorithm: algorithm as CompressionAlgorithm }))();
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
