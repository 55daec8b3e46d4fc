// The program of a child process: a server that is killed while calls come, and that has noted which of them ran.
import { openSync, writeSync } from "node:fs";
import { MsgPackCodec, Service, expose, serve, type Server } from "@colloquy/rpc";
import { answerQuestions } from "@colloquy/bench/subprocess";
import { wallMs } from "./wall.ts";

/** What the parent asks: where to note the calls that run, one number a line, which one is the last, and what it does. */
export interface FaultsQuestion {
  readonly notes: string;
  readonly lastCall: number;
  /** Default: the process kills itself. `"close"`: it closes its server, and ends. */
  readonly ending?: "close";
}

/** For calls that don't end. */
const graceMs = 100;

class Victim extends Service {
  readonly #notes: number;
  #left: number;
  readonly #isClosed: boolean;
  server: Server | undefined;

  constructor({ notes, lastCall, ending }: FaultsQuestion) {
    super();
    this.#notes = openSync(notes, "a");
    this.#left = lastCall;
    this.#isClosed = ending === "close";
  }

  @expose run(id: number): number {
    writeSync(this.#notes, `${id}\n`);
    if (this.#left-- === 0) {
      writeSync(this.#notes, `died ${wallMs()}\n`);
      if (this.#isClosed) void this.server!.close({ graceMs }).then(() => process.exit());
      else process.kill(process.pid, "SIGKILL");
    }
    return id;
  }

  @expose async hang(id: number): Promise<never> {
    this.run(id);
    return new Promise(() => {});
  }

  @expose echo(value: unknown): unknown {
    return value;
  }
}

export type { Victim };

if (process.send !== undefined)
  answerQuestions(async (question: FaultsQuestion) => {
    // It would be right to give up a parent that stalls for a minute.
    const limits = { pingIntervalMs: Infinity };
    const victim = new Victim(question);
    victim.server = await serve("tcp://127.0.0.1:0", victim, { codec: MsgPackCodec, limits });
    return victim.server.address;
  });
