import {
  LocalNetwork,
  StructuredCloneCodec,
  MsgPackBloscCodec,
  MsgPackCodec,
  JsonCodec,
  connectChannel,
  serveChannels,
  type Transport,
  type TransportReceiver,
  type CodecClass,
} from "@colloquy/core";
import { connect, serve } from "@colloquy/rpc";
import { byteAttackInput, type Role } from "./attacks.ts";
import { useRemote } from "./client-session.ts";
import { Root } from "./victims.ts";
import type { WireCodec } from "./wire.ts";

const longestPayloadBytes = 700;
const codecs: Readonly<Record<WireCodec, CodecClass>> = {
  json: JsonCodec,
  msgpack: MsgPackCodec,
  "structured-clone": StructuredCloneCodec,
  "msgpack-blosc": MsgPackBloscCodec,
};

/** What our own peers say to each other, as inputs: of the side that an attack has, in each codec. */
export async function recordedInputs(role: Role, wireCodecs: readonly WireCodec[]): Promise<Buffer[]> {
  const inputs: Buffer[] = [];
  for (const codec of wireCodecs) {
    const stream =
      role === "channel" ? await recordedChannel(codecs[codec]) : await recordedSession(codecs[codec], role);
    // Hello is there already.
    const payloads = framesIn(stream)
      .slice(1)
      .filter(({ length }) => length <= longestPayloadBytes);
    for (let at = 0; at < payloads.length; at++) inputs.push(byteAttackInput(codec, payloads.slice(at, at + 3)));
  }
  return inputs;
}

async function recordedSession(codec: CodecClass, role: Role): Promise<Buffer> {
  // Ids of its own: each run of the fuzzer has the same inputs.
  const network = new LocalNetwork({ seed: 1, everyAddress: true });
  const server = await serve("local://server", new Root(), { network, codec, rootName: "recorded" });
  const relay = new Relay(network, "local://server", "local://relay", role === "client");
  const client = await connect<Root>("local://relay", { network, codec, service: new Root(), rootName: "client" });
  await useRemote(client.remote);
  await client.close();
  await server.close();
  return relay.recorded;
}

async function recordedChannel(codec: CodecClass): Promise<Buffer> {
  const network = new LocalNetwork({ seed: 1, everyAddress: true });
  const server = await serveChannels(
    "local://server",
    async (channel) => {
      for await (const request of channel) await request.reply(request.content);
    },
    { network, codec },
  );
  const relay = new Relay(network, "local://server", "local://relay", true);
  const client = await connectChannel("local://relay", { network, codec });
  for (const value of [1, "text", { a: [1, 2] }, new Map([["k", new Date(0)]])]) await client.send(value);
  await client.close();
  await server.close();
  return relay.recorded;
}

/** Stands between the two sides of a connection, and keeps what one of them says. */
class Relay {
  readonly #chunks: Buffer[] = [];

  constructor(network: LocalNetwork, target: string, address: string, ofClient: boolean) {
    network.listen(address, (near) => {
      const far = network.connect(target)!;
      near.open(this.#to(far, ofClient));
      far.open(this.#to(near, !ofClient));
    });
  }

  get recorded(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  #to(other: Transport, isKept: boolean): TransportReceiver {
    return {
      onChunk: (chunk) => {
        if (isKept) this.#chunks.push(Buffer.from(chunk));
        other.write(Buffer.from(chunk));
      },
      onDrain: () => {},
      onClose: () => other.end(),
    };
  }
}

/** Payloads of the frames that aren't extended ones. */
function framesIn(stream: Buffer): Buffer[] {
  const payloads: Buffer[] = [];
  for (let at = 0; at + 4 <= stream.length;) {
    const header = stream.readUInt32BE(at);
    const end = at + 4 + (header % 0x8000_0000);
    if (header < 0x8000_0000) payloads.push(stream.subarray(at + 4, end));
    at = end;
  }
  return payloads;
}
