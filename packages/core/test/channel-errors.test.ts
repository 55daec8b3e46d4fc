import { expect, it } from "vitest";
import { connectChannel } from "../src/connect-channel.ts";
import type { ChannelOptions } from "../src/connect-channel.ts";
import { RemoteError } from "../src/errors.ts";
import { MsgPackCodec } from "../src/msgpack-codec.ts";
import { PublicError } from "../src/public-error.ts";
import { serveChannels } from "../src/serve-channels.ts";

class Busy extends PublicError {
  readonly after = 5;
}

let count = 0;

/** What a request rejects with that is failed with `thrown`; a date was sent before, so that the peers know each other. */
async function failedWith(thrown: unknown, own: ChannelOptions = {}, theirs: ChannelOptions = {}): Promise<unknown> {
  const address = `local://channel-errors-${process.pid}-${count++}`;
  await using server = await serveChannels(
    address,
    async (channel) => {
      for await (const request of channel) {
        if (request.content instanceof Date) await request.reply(1);
        else await request.fail(thrown);
      }
    },
    { codec: MsgPackCodec, ...theirs },
  );
  await using channel = await connectChannel(server.address, { codec: MsgPackCodec, ...own });
  await channel.send(new Date());
  return await channel.send("fail").catch((error: unknown) => error);
}

it("fails a request with an error that has its fields, and arrives as an instance where its class is known", async () => {
  const error = await failedWith(new Busy("busy"));
  expect(error).toBeInstanceOf(RemoteError);
  expect(error).toMatchObject({ remoteName: "Busy", message: "busy", fields: { after: 5 } });
  const known = await failedWith(new Busy("busy"), { errors: { known: [Busy] } });
  expect(known).toBeInstanceOf(Busy);
  expect(known).toMatchObject({ after: 5, executed: "yes" });
});

it("fails a request with what may leave of an error", async () => {
  const error = await failedWith(new TypeError("secret"), {}, { errors: { allow: "none" } });
  expect(error).toMatchObject({
    remoteName: "Error",
    message: "the method failed; the log of its process may say why",
  });
});

it("refuses a malformed `errors` option on both sides", async () => {
  const errors = { allow: "all" as never };
  await expect(connectChannel("local://nobody", { errors })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  await expect(serveChannels("local://nobody", () => {}, { errors })).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
  });
});
