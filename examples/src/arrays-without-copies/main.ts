/**
 * An array as PyZMQ users send it: its dtype and shape in the message, its memory beside it, copied on neither side. `flushed` is
 * what `track=True` gives there: the memory is the sender's again.
 */
import { MsgPackCodec, NdArray, connectChannel, serveChannels } from "@colloquy/core";

await using server = await serveChannels(
  "tcp://127.0.0.1:0",
  async (channel) => {
    for await (const request of channel) {
      const array = request.content as NdArray;
      // A view on the memory that the socket was read into.
      const values = array.toTypedArray() as Float64Array;
      let sum = 0;
      for (const value of values) sum += value;
      await request.reply({ dtype: array.dtype, shape: array.shape, sum });
    }
  },
  { codec: MsgPackCodec },
);
await using channel = await connectChannel(server.address, { codec: MsgPackCodec, timeout: 5000 });

// One buffer for every frame of a film, used again and again.
const frame = new Float64Array(1080 * 1920);
for (let number = 1; number <= 3; number++) {
  frame.fill(number);
  const answer = channel.send(new NdArray(frame, { shape: [1080, 1920] }));
  await channel.flushed();
  // From here on the memory may be written again, while the answer is still on its way.
  frame.fill(0);
  console.log(await answer);
}
