import { connect, expose, serve, service } from "@colloquy/rpc";

// Run with --expose-gc: a stream goes home in a call, and its caller holds it no more.
const collect = (globalThis as unknown as { gc(): void }).gc;
const COUNT = 6;

async function* count(): AsyncGenerator<number> {
  for (let index = 0; index < COUNT; index++) {
    collect();
    for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setImmediate(resolve));
    yield index;
  }
}

async function sizeOf(items: AsyncIterable<number>): Promise<number> {
  let size = 0;
  for await (const _item of items) size++;
  return size;
}

const root = service({
  count: expose(count),
  length: expose((text: string) => text.length),
  size: expose(sizeOf),
  sizeIn: expose((given: { readonly items: AsyncIterable<number> }) => sizeOf(given.items)),
});
const server = await serve("tcp://127.0.0.1:0", root);
const connection = await connect<typeof root>(server.address, { limits: { maxQueuedBytes: 1000 } });
const { remote } = connection;

const sizes = {
  alone: await remote.size(await remote.count()),
  inside: await remote.sizeIn({ items: await remote.count() }),
  waiting: 0,
};
// As much waits already as may.
const streams = [await remote.count()];
const filling = [1, 2, 3].map(() => remote.length("x".repeat(8 << 20)));
const waiting = remote.size(streams.pop()!);
const isWaiting = connection.stats().waiting > 0;
sizes.waiting = isWaiting ? await waiting : -1;
await Promise.all(filling);
for (let round = 0; round < 50 && connection.stats().importedStreams > 0; round++) {
  collect();
  await new Promise((resolve) => setImmediate(resolve));
}
process.stdout.write(`${JSON.stringify({ ...sizes, left: connection.stats().importedStreams })}\n`);
await connection.close();
await server.close();
