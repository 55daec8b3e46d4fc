// The program of a child process: a client and a server in it, between which small calls go.
import { Service, connect, expose, serve } from "@colloquy/rpc";
import { answerQuestions } from "../subprocess.ts";

class Echo extends Service {
  @expose echo(value: number): number {
    return value;
  }
}

/** What the parent asks: calls a second, with so many under way. */
export interface HooksQuestion {
  readonly seconds: number;
  readonly inFlight: number;
}

const server = await serve("local://hooks", new Echo());
const connection = await connect<Echo>(server.address);

async function caller(end: number): Promise<number> {
  let made = 0;
  for (; performance.now() < end; made++) await connection.remote.echo(made);
  return made;
}

answerQuestions(async ({ seconds, inFlight }: HooksQuestion) => {
  const start = performance.now();
  const counts = await Promise.all(Array.from({ length: inFlight }, async () => caller(start + seconds * 1000)));
  return counts.reduce((sum, count) => sum + count, 0) / ((performance.now() - start) / 1000);
});
