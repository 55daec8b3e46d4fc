import { connect, expose, serve, service } from "@colloquy/rpc";

// Run with --expose-gc: a stream whose items have come, and that nothing holds any more.
const collect = (globalThis as unknown as { gc(): void }).gc;

async function* count(): AsyncGenerator<number> {
  for (let index = 0; ; index++) yield index;
}

async function turns(many: number): Promise<void> {
  for (let index = 0; index < many; index++) await new Promise((resolve) => setImmediate(resolve));
}

const source = service({ count: expose(count) });
const server = await serve("local://unread", source);
const connection = await connect<typeof source>(server.address);

async function read(): Promise<void> {
  const stream = await connection.remote.count();
  await stream.next();
  await turns(4);
}

await read();
const before = connection.stats().unreadBytes > 0;
for (let round = 0; round < 50 && connection.stats().unreadBytes > 0; round++) {
  collect();
  await turns(4);
}
process.stdout.write(`${JSON.stringify({ before, after: connection.stats().unreadBytes })}\n`);
await connection.close();
await server.close();
