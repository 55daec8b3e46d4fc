// The program of a child process: a client, or a server, that nobody attacks.
import { answerQuestions } from "@colloquy/bench/subprocess";
import { JsonCodec, MsgPackCodec, compressed } from "@colloquy/core";
import { Service, connect, expose, serve } from "@colloquy/rpc";
import type { Connection } from "@colloquy/rpc";
import { callsFor } from "./honest-calls.ts";
import type { Credentials } from "./raw-peer.ts";

export type HonestQuestion =
  | { readonly ask: "serve"; readonly tls: Credentials | undefined }
  | {
      readonly ask: "open";
      readonly address: string;
      readonly tls: Credentials | undefined;
      readonly codec: "auto" | "brotli";
      readonly token: string | undefined;
    }
  | { readonly ask: "call"; readonly seconds: number };

class Adder extends Service {
  @expose add(a: number, b: number): number {
    return a + b;
  }
}

let connection: Connection<Adder> | undefined;

answerQuestions(async (question: HonestQuestion): Promise<string | object> => {
  if (question.ask === "call") return callsFor(question.seconds, (a, b) => connection!.remote.add(a, b));
  const { tls } = question;
  if (question.ask === "serve")
    return (await serve("tcp://127.0.0.1:0", new Adder(), { codec: MsgPackCodec, tls })).address;
  const codec = question.codec === "auto" ? MsgPackCodec : compressed(JsonCodec, { algorithm: "brotli" });
  connection = await connect<Adder>(question.address, {
    codec,
    tls: tls && { ...tls, serverName: "localhost" },
    credentials: question.token,
  });
  return connection.remoteAddress;
});
