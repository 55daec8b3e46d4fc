// The program of a child process: the server or the client of a soak.
import { setTimeout as sleep } from "node:timers/promises";
import { MsgPackCodec } from "@colloquy/core";
import { connect, serve, type Connection, type ConnectionStats, type Server } from "@colloquy/rpc";
import { answerQuestions } from "../subprocess.ts";
import { callMix } from "./mix.ts";
import { Callee, Caller } from "./services.ts";

/** What the parent asks. Servers know `serve` and `look`, clients all but `serve`. */
export type SoakQuestion =
  | { readonly kind: "serve" }
  | { readonly kind: "connect"; readonly address: string }
  | { readonly kind: "call"; readonly count: number }
  | { readonly kind: "look" };

/** What a process holds when nothing is under way. */
export interface Look {
  readonly heapBytes: number;
  /** Memory of buffers outside of the heap. */
  readonly externalBytes: number;
  readonly residentBytes: number;
  readonly stats: ConnectionStats;
}

const collections = 4;
const pauseMs = 20;

let server: Server | undefined;
let connection: Connection<Callee> | undefined;

answerQuestions(async (question: SoakQuestion) => {
  switch (question.kind) {
    case "serve": {
      const callee = (opened: Connection): Callee => new Callee(opened as Connection<Caller>);
      server = await serve("tcp://127.0.0.1:0", callee, { codec: MsgPackCodec });
      return server.address;
    }
    case "connect":
      connection = await connect<Callee>(question.address, { codec: MsgPackCodec, service: new Caller() });
      return undefined;
    case "call":
      if (connection === undefined) throw new Error("not connected");
      return callMix(connection.remote, question.count);
    case "look":
      return look();
  }
});

/** The one connection of this side. */
function opened(): Connection {
  const open = connection ?? [...(server?.connections ?? [])][0];
  if (open === undefined) throw new Error("no connection");
  return open;
}

async function look(): Promise<Look> {
  // Finalizers run between collections, and free more.
  for (let time = 0; time < collections; time++) {
    globalThis.gc?.();
    await sleep(pauseMs);
  }
  const { heapUsed, external, rss } = process.memoryUsage();
  return { heapBytes: heapUsed, externalBytes: external, residentBytes: rss, stats: opened().stats() };
}
