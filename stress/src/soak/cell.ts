// The program of a child process: a server or a client of a soak.
import { MsgPackCodec, serve, type Connection, type ConnectionStats, type Server } from "@colloquy/rpc";
import { answerQuestions } from "@colloquy/bench/subprocess";
import { Load, limits } from "./load.ts";
import { look } from "./look.ts";
import { Callee, type Bumper } from "./services.ts";

/** What the parent asks. Servers know `serve`, `close` and `look`, clients all but those two. */
export type SoakQuestion =
  | { readonly kind: "serve" }
  | { readonly kind: "close" }
  | { readonly kind: "connect"; readonly addresses: readonly string[]; readonly seed: number }
  | { readonly kind: "go" }
  | { readonly kind: "pause"; readonly patienceMs: number }
  | { readonly kind: "book" }
  | { readonly kind: "look" };

let server: Server | undefined;
let load: Load | undefined;

answerQuestions(async (question: SoakQuestion) => {
  switch (question.kind) {
    case "serve": {
      const callee = (connection: Connection): Callee => new Callee(connection as Connection<Bumper>);
      server = await serve("tcp://127.0.0.1:0", callee, { codec: MsgPackCodec, limits });
      return server.address;
    }
    case "close":
      return server?.close({ graceMs: 500 });
    case "connect":
      load = await Load.connect(question.addresses, question.seed);
      return process.pid;
    case "go":
      return load?.go();
    case "pause":
      return load?.pause(question.patienceMs);
    case "book":
      return load?.book();
    case "look":
      return look(allStats);
  }
});

function allStats(): readonly ConnectionStats[] {
  const ends: readonly { stats(): ConnectionStats }[] = load
    ? load.connections.map(([, end]) => end)
    : [...(server?.connections ?? [])];
  return ends.map((end) => end.stats());
}
