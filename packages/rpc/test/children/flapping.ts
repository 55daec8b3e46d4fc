import { createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { Service, connect, expose, serve, withOptions } from "@colloquy/rpc";

// Run with --expose-gc: what a client that reconnects keeps of the connections that it has lost, and whether it lets the process end. An
// unhandled rejection ends this process with code 1.
const collect = (globalThis as unknown as { gc(): void }).gc;
const FAST = { minMs: 0, maxMs: 1 };

async function turns(count: number): Promise<void> {
  for (let index = 0; index < count; index++) await new Promise((resolve) => setImmediate(resolve));
}

class Desk extends Service {
  @expose add(a: number, b: number): number {
    return a + b;
  }
  @expose lend(): () => number {
    return () => 1;
  }
  @expose hang(): Promise<never> {
    return new Promise(() => {});
  }
}

const stop = new AbortController();
const server = await serve("local://flapping", new Desk());
const client = await connect<Desk>(server.address, { reconnect: FAST });
client.onReconnect(() => void client.remote.add(1, 1).catch(() => {}));

async function flap(count: number): Promise<number> {
  for (let index = 0; index < count; index++) {
    const { reconnects } = client.stats();
    await (
      await client.remote.lend()
    )();
    const lost: Promise<unknown>[] = [
      client.remote.hang(),
      withOptions(client.remote.hang, { timeout: 60_000, signal: stop.signal })(),
    ];
    for (const one of server.connections) one.destroy();
    lost.push(withOptions(client.remote.add, { timeout: 60_000, signal: stop.signal })(1, 2));
    await Promise.allSettled(lost);
    while (client.stats().reconnects === reconnects || !client.connected) await turns(1);
  }
  await turns(10);
  for (let round = 0; round < 5; round++) {
    collect();
    await turns(4);
  }
  return process.memoryUsage().heapUsed;
}

await flap(300);
const sizes = [await flap(300)];
for (let round = 0; round < 3; round++) sizes.push(await flap(700));
// What the engine keeps for itself comes and goes; what is lost would show in each round.
const growths = sizes.slice(1).map((size, index) => (size - sizes[index]!) / 700);
const perFlap = growths.toSorted((a, b) => a - b)[1]!;
const { pending, waiting, importedReferences } = client.stats();
process.stdout.write(`${JSON.stringify({ perFlap, pending, waiting, importedReferences })}\n`);

// The end in each state: connected, without a server, and while a server accepts and says nothing.
const others = await Promise.all([1, 2].map(() => connect<Desk>(server.address, { reconnect: { minMs: 60_000 } })));
const sockets: Socket[] = [];
const silent = createServer((socket) => void sockets.push(socket.on("error", () => {})));
await client.close();
await server.close();
const calls = others.map(({ remote }) => remote.add(1, 2).catch(({ code }) => code as unknown));
await others[0]!.close();
others[1]!.destroy();

const speaking = await serve("tcp://127.0.0.1:0", new Desk());
const last = await connect<Desk>(speaking.address, { reconnect: FAST });
await speaking.close({ graceMs: 0 });
silent.listen(Number(speaking.address.split(":").at(-1)), "127.0.0.1");
while (sockets.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
calls.push(last.remote.add(1, 2).catch(({ code }) => code as unknown));
const { port } = silent.address() as AddressInfo;
await last.close();
silent.close();
process.stdout.write(
  `${JSON.stringify({ ends: await Promise.all(calls), isSame: speaking.address.endsWith(`:${port}`) })}\n`,
);
