// The program of a child process: one side of a connection over which functions and services cross in great numbers.
import { setTimeout as sleep } from "node:timers/promises";
import { MsgPackCodec, Service, connect, expose, release, serve, type Connection, type Server } from "@colloquy/rpc";
import { answerQuestions } from "../subprocess.ts";

class Thing extends Service {
  readonly #number: number;
  constructor(number: number) {
    super();
    this.#number = number;
  }
  @expose number(): number {
    return this.#number;
  }
}

class Maker extends Service {
  /** A function that has arrived, and a service in return. */
  @expose async make(
    number: number,
    releases: boolean,
    add: (number: number) => Promise<number>,
  ): Promise<{ readonly thing: Thing }> {
    if ((await add(number)) !== number + 1) throw new Error("the function answers something else");
    if (releases) release(add);
    return { thing: new Thing(number) };
  }
}

/** What the parent asks. */
export type ReferencesQuestion =
  | { readonly kind: "serve" }
  | { readonly kind: "connect"; readonly address: string }
  | { readonly kind: "make"; readonly from: number; readonly to: number; readonly releases: boolean }
  | { readonly kind: "held" };

/** References of this side at the other one, and of the other one here, and the heap that is in use. */
export interface Held {
  readonly exported: number;
  readonly imported: number;
  readonly heapBytes: number;
}

const inFlightCount = 100;
let server: Server | undefined;
let connection: Connection<Maker> | undefined;

answerQuestions(async (question: ReferencesQuestion) => {
  switch (question.kind) {
    case "serve":
      server = await serve("tcp://127.0.0.1:0", new Maker(), { codec: MsgPackCodec });
      return server.address;
    case "connect":
      connection = await connect<Maker>(question.address, { codec: MsgPackCodec });
      return undefined;
    case "make":
      return make(question.from, question.to, question.releases);
    case "held":
      return held();
  }
});

/** Each call passes a function and gets a service, which is called; both are released by hand, or not. Every call has to work. */
async function make(from: number, to: number, releases: boolean): Promise<void> {
  const { remote } = connection!;
  let next = from;
  const maker = async (): Promise<void> => {
    while (next < to) {
      const number = next++;
      const { thing } = await remote.make(number, releases, async (given) => given + 1);
      if ((await thing.number()) !== number) throw new Error(`thing ${number} is another one`);
      if (releases) release(thing);
    }
  };
  await Promise.all(Array.from({ length: inFlightCount }, maker));
}

async function held(): Promise<Held> {
  (globalThis as { gc?: () => void }).gc?.();
  await sleep(20);
  const [end = connection] = server?.connections ?? [];
  const { exportedReferences: exported, importedReferences: imported } = end!.stats();
  return { exported, imported, heapBytes: process.memoryUsage().heapUsed };
}
