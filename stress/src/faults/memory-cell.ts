// The program of a child process: a server that has little memory, or peers that send it, and ask of it, as much as its limits allow.
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { answerQuestions } from "@colloquy/bench/subprocess";
import { MsgPackCodec, Service, connect, expose, serve, type Connection, type Limits } from "@colloquy/rpc";

export type MemoryQuestion =
  | { readonly ask: "serve"; readonly limits: Partial<Limits> }
  /** Takes so much memory and keeps it. */
  | { readonly ask: "fill"; readonly bytes: number }
  /** Bytes that the process may write to, the most that were seen. */
  | { readonly ask: "most" }
  | { readonly ask: "crowd"; readonly address: string; readonly count: number; readonly seconds: number }
  | { readonly ask: "echo"; readonly address: string };

/** What has become of the calls of a crowd. */
export interface Crowded {
  readonly calls: number;
  readonly settled: number;
  readonly right: number;
  readonly failures: Readonly<Record<string, number>>;
}

const mebibyte = 1_048_576;
const largestText = "x".repeat(mebibyte - 100);
const holdMs = 300;
const lookMs = 10;
const patienceMs = 30_000;

class Hall extends Service {
  @expose echo(value: unknown): unknown {
    return value;
  }

  @expose async hold(text: string): Promise<number> {
    await sleep(holdMs);
    return text.length;
  }

  @expose make(bytes: number): Uint8Array {
    return new Uint8Array(bytes);
  }
}

let mostBytes = 0;

function look(): void {
  const [, kilobytes] = /VmData:\s+(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
  mostBytes = Math.max(mostBytes, 1024 * Number(kilobytes));
}

function fill(bytes: number): number {
  return Array.from({ length: bytes / mebibyte }, () => Buffer.alloc(mebibyte, 1)).length;
}

/** Calls whose results have these lengths: large texts and arrays, there and back, and texts that handlers hold. */
function callsOf({ remote }: Connection<Hall>): readonly (readonly [length: number, call: Promise<unknown>])[] {
  const times = (count: number, length: number, call: () => Promise<unknown>): [number, Promise<unknown>][] =>
    Array.from({ length: count }, () => [length, call()]);
  const pieces = new Uint8Array(2 * mebibyte);
  const whole = new Uint8Array(8 * mebibyte - 4096);
  return [
    ...times(8, largestText.length, () => remote.echo(largestText)),
    ...times(4, pieces.length, () => remote.echo(pieces)),
    ...times(2, whole.length, () => remote.echo(whole)),
    ...times(60, largestText.length, () => remote.hold(largestText)),
    ...times(2, whole.length, () => remote.make(whole.length)),
  ];
}

async function crowd({ address, count, seconds }: MemoryQuestion & { readonly ask: "crowd" }): Promise<Crowded> {
  const failures: Record<string, number> = {};
  let [calls, settled, right] = [0, 0, 0];
  const end = performance.now() + 1000 * seconds;
  const note = (code: string): void => void (failures[code] = (failures[code] ?? 0) + 1);
  const one = async (length: number, call: Promise<unknown>): Promise<void> => {
    calls++;
    try {
      const value = await call;
      if (value === length || (value as { readonly length?: number }).length === length) right++;
      else note("a wrong result");
    } catch (error) {
      note((error as { readonly code?: string }).code ?? String(error));
    }
    settled++;
  };
  const peer = async (): Promise<void> => {
    const connection = await connect<Hall>(address, { codec: MsgPackCodec });
    const lost = new AbortController();
    void connection.closed.then(() => lost.abort());
    while (performance.now() < end && !lost.signal.aborted)
      await Promise.all(callsOf(connection).map(([length, call]) => one(length, call)));
    await connection.close();
  };
  await Promise.race([
    Promise.allSettled(Array.from({ length: count }, peer)),
    sleep(1000 * seconds + patienceMs, undefined, { ref: false }),
  ]);
  return { calls, settled, right, failures };
}

answerQuestions(async (question: MemoryQuestion): Promise<unknown> => {
  switch (question.ask) {
    case "serve":
      setInterval(look, lookMs).unref();
      return (await serve("tcp://127.0.0.1:0", new Hall(), { codec: MsgPackCodec, limits: question.limits })).address;
    case "fill":
      return fill(question.bytes);
    case "most":
      return mostBytes;
    case "crowd":
      return crowd(question);
    case "echo": {
      await using connection = await connect<Hall>(question.address, { codec: MsgPackCodec });
      return await connection.remote.echo("here");
    }
  }
});
