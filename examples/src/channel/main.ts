/**
 * The lowest level: a channel carries any values both ways, and a serializer adds a type of one's own.
 */
import { MsgPackCodec, connectChannel, serveChannels } from "@colloquy/core";
import type { SerializerFactory } from "@colloquy/core";

class Point {
  readonly x: number;
  readonly y: number;

  constructor(x: number, y: number) {
    this.x = x;
    this.y = y;
  }
}

const point: SerializerFactory<Point> = () => [Point, (p) => [p.x, p.y], ([x, y]: [number, number]) => new Point(x, y)];
const options = { codec: MsgPackCodec, extraSerializers: [point] };

await using server = await serveChannels(
  "tcp://127.0.0.1:0",
  async (channel) => {
    for await (const request of channel) {
      if (request.content instanceof Point) await request.reply(new Point(-request.content.x, -request.content.y));
      else await request.fail(new TypeError("this server takes points"));
    }
  },
  options,
);
await using channel = await connectChannel(server.address, { ...options, timeout: 5000 });
console.log(await channel.send(new Point(1, 2)));
try {
  await channel.send({ x: 1, y: 2 });
} catch (error) {
  console.log(String(error));
}
