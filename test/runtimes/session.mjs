// One program that serves and connects, for any runtime; prints what has come out of each step as a line of JSON.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { JsonCodec, MsgPackCodec } from "../../packages/core/dist/index.js";
import { connect, serve } from "../../packages/rpc/dist/index.js";

const LARGE_BYTES = 5_000_000;

class Root {
  static exposed = ["add", "askBack", "echo", "fail"];

  add(a, b) {
    return a + b;
  }
  async askBack(double) {
    return (await double(20)) + 2;
  }
  echo(value) {
    return value;
  }
  fail() {
    throw new TypeError("on purpose");
  }
}

async function session(address, codec) {
  const server = await serve(address, new Root(), { codec });
  const client = await connect(server.address, { codec });
  const { remote } = client;
  let sum = 0;
  for (let count = 0; count < 500; count++) sum += await remote.add(count, 1);
  for (const one of await Promise.all(Array.from({ length: 500 }, (_, count) => remote.add(count, 1)))) sum += one;
  const text = "0123456789".repeat(LARGE_BYTES / 10);
  const failure = await remote.fail().catch((error) => `${error.remoteName}: ${error.message}`);
  const outcome = {
    sum,
    back: await remote.askBack((x) => x * 2),
    large: (await Promise.all([remote.echo(text), remote.echo(text)])).every((echoed) => echoed === text),
    failure,
  };
  await client.close();
  await server.close();
  const refused = await connect(server.address, { codec }).catch((error) => error.code);
  return { ...outcome, refused };
}

const folder = mkdtempSync(join(tmpdir(), "colloquy-"));
try {
  for (const address of ["tcp://127.0.0.1:0", `ipc://[${folder}/socket]`]) {
    for (const codec of [JsonCodec, MsgPackCodec]) {
      const outcome = await session(address, codec);
      process.stdout.write(`${JSON.stringify({ kind: address.slice(0, 3), codec: codec.name, ...outcome })}\n`);
    }
  }
} finally {
  rmSync(folder, { recursive: true });
}
