// The program of a child process: a server that is killed while calls come, and that has noted which of them ran.
import { openSync, writeSync } from "node:fs";
import { MsgPackCodec, Service, expose, serve } from "@colloquy/rpc";
import { answerQuestions } from "@colloquy/bench/subprocess";

/** What the parent asks: where to note the calls that run, one number a line, and which one is the last. */
export interface FaultsQuestion {
  readonly notes: string;
  readonly lastCall: number;
}

/** Milliseconds that processes of one machine agree on. */
export function wallMs(): number {
  return performance.timeOrigin + performance.now();
}

class Victim extends Service {
  readonly #notes: number;
  #left: number;

  constructor({ notes, lastCall }: FaultsQuestion) {
    super();
    this.#notes = openSync(notes, "a");
    this.#left = lastCall;
  }

  @expose run(id: number): number {
    writeSync(this.#notes, `${id}\n`);
    if (this.#left-- === 0) {
      writeSync(this.#notes, `died ${wallMs()}\n`);
      process.kill(process.pid, "SIGKILL");
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
    const server = await serve("tcp://127.0.0.1:0", new Victim(question), { codec: MsgPackCodec, limits });
    return server.address;
  });
