import { connect, expose, serve, service } from "@colloquy/rpc";
import type { Connection } from "@colloquy/rpc";

// Run with --expose-gc: a connection is collected between the collection of what came on it and what follows from that.
const collect = (globalThis as unknown as { gc(): void }).gc;

async function turns(count: number): Promise<void> {
  for (let index = 0; index < count; index++) await new Promise((resolve) => setImmediate(resolve));
}

const root = service({
  thing: expose((n: number) => service({ number: expose(() => n) })),
  hear: expose((_signal: AbortSignal) => {}),
});
const server = await serve("local://registry-gone", root);
const kept: { connection?: Connection<typeof root> } = {};

async function use({ remote }: Connection<typeof root>): Promise<void> {
  for (let n = 0; n < 10; n++) await remote.thing(n);
  await remote.hear(new AbortController().signal);
}

async function meet(): Promise<void> {
  kept.connection = await connect<typeof root>(server.address);
  await use(kept.connection);
  await turns(5);
  kept.connection.destroy();
  await turns(5);
}

for (let round = 0; round < 3; round++) {
  await meet();
  // Both in one turn.
  collect();
  delete kept.connection;
  collect();
  await turns(5);
}

const connection = await connect<typeof root>(server.address);
await use(connection);
const before = connection.stats().importedReferences;
const left = (): number => connection.stats().importedReferences + connection.stats().exportedSignals;
for (let round = 0; round < 50 && left() > 0; round++) {
  collect();
  await turns(4);
}
process.stdout.write(`${JSON.stringify({ before, left: left() })}\n`);
await connection.close();
await server.close();
