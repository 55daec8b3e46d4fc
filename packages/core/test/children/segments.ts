// Serves channels and plays their peer by hand; prints by how much the process has grown after each step. Run by t08-segments.
import net from "node:net";
import { serveChannels } from "../../src/index.ts";
import { announcement, piece } from "../segment-support.ts";
import { frame } from "../support.ts";

const MEBIBYTE = 1_048_576;
const [scenario = "", limit = "0"] = process.argv.slice(2);
const maxSegmentBytes = Number(limit);

let received = 0;
let closed: string | undefined;
const server = await serveChannels(
  "tcp://127.0.0.1:0",
  async (channel) => {
    closed = undefined;
    void channel.closed.then((error) => (closed = error?.message ?? "in order"));
    for await (const request of channel) await request.reply(1);
  },
  { limits: { maxSegmentBytes } },
);
const socket = net.connect({ host: "127.0.0.1", port: Number(server.address.split(":").at(-1)) });
socket.on("data", (chunk) => (received += chunk.length));
socket.on("error", () => {});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}

/** Sends, and waits until the server has read it. */
async function send(...frames: readonly Uint8Array[]): Promise<void> {
  const bytes = Buffer.concat(frames);
  const channel = [...server.channels][0]!;
  const end = channel.stats().receivedBytes + bytes.length;
  socket.write(bytes);
  await until(() => channel.stats().receivedBytes >= end || closed !== undefined);
}

await until(() => server.channels.size === 1);
await send(frame(JSON.stringify([0, 0, ["$/channel", [{ protocol: 1, segments: true }], {}]])));
await until(() => received > 0);
const start = process.memoryUsage().rss;
const grown: number[] = [];
const look = (): void => void grown.push(process.memoryUsage().rss - start);

if (scenario === "one") {
  await send(announcement(0, [maxSegmentBytes], "[0,1,1]"));
  look();
  await send(piece(0, 0, Buffer.alloc(1)));
  look();
  for (let sent = 0; sent < 32; sent++) await send(piece(0, 0, Buffer.alloc(MEBIBYTE)));
  look();
  await send(announcement(1, [maxSegmentBytes], "[0,2,1]"));
} else {
  // Tiny messages, complete by nothing but a byte that never comes.
  const payload = Buffer.alloc(200, 0x20);
  const isOpen = (): boolean => closed === undefined;
  for (let handle = 0; isOpen() && handle < 1_000_000; handle += 500)
    await send(...Array.from({ length: 500 }, (_, index) => announcement(handle + index, [1], payload)));
  look();
}
await until(() => closed !== undefined);
process.stdout.write(JSON.stringify({ grown, closed }));
socket.destroy();
await server.close({ graceMs: 0 });
process.exit(0);
