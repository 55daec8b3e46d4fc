// The program of a child process: a server or a client that is frozen, starved or flooded.
import { openSync } from "node:fs";
import { MsgPackCodec, Service, connect, expose, serve, type Connection, type Limits } from "@colloquy/rpc";
import { answerQuestions } from "@colloquy/bench/subprocess";
import { wallMs } from "./wall.ts";

/** What the parent asks. */
export type PeerQuestion =
  | { readonly kind: "serve"; readonly host: string; readonly limits?: Partial<Limits> }
  /** Connects and has calls under way. */
  | { readonly kind: "watch"; readonly address: string; readonly limits: Partial<Limits>; readonly calls: number }
  /** Resolves when that connection is lost. */
  | { readonly kind: "lost" }
  /** Calls with large values, all at once, and is called back as much. */
  | { readonly kind: "flood"; readonly address: string; readonly count: number; readonly bytes: number }
  | { readonly kind: "open"; readonly address: string; readonly count: number }
  | { readonly kind: "close" }
  /** Takes so many descriptors, and keeps them. */
  | { readonly kind: "hold"; readonly count: number };

export interface Loss {
  readonly atMs: number;
  readonly code: string | undefined;
  /** Calls that have failed with `CONNECTION_LOST` by then. */
  readonly failed: number;
}

/** What became of attempts to connect. */
export interface Opened {
  readonly count: number;
  readonly codes: readonly string[];
}

export class Peer extends Service {
  @expose echo(value: unknown): unknown {
    return value;
  }

  @expose async hang(): Promise<never> {
    return new Promise(() => {});
  }

  /** Sends as much back as it gets, at once. */
  @expose async flood(count: number, bytes: number, take: (text: string) => Promise<number>): Promise<number> {
    const text = "x".repeat(bytes);
    const lengths = await Promise.all(Array.from({ length: count }, () => take(text)));
    return lengths.filter((length) => length === bytes).length;
  }
}

/** Addresses between namespaces aren't loopback ones. */
const plain = { codec: MsgPackCodec, dangerouslyAllowPlaintext: true } as const;
const openLimitMs = 3000;
let lost: Promise<Loss> | undefined;
let opened: Connection<Peer>[] = [];

async function watch({ address, limits, calls }: Extract<PeerQuestion, { kind: "watch" }>): Promise<void> {
  const connection = await connect<Peer>(address, { ...plain, limits });
  let failed = 0;
  for (let call = 0; call < calls; call++)
    connection.remote.hang().catch((error: { code?: string }) => (failed += Number(error.code === "CONNECTION_LOST")));
  lost = connection.closed.then((error) => ({ atMs: wallMs(), code: error?.code, failed }));
}

async function flood({ address, count, bytes }: Extract<PeerQuestion, { kind: "flood" }>): Promise<number> {
  const connection = await connect<Peer>(address, plain);
  const { remote } = connection;
  const back = remote.flood(count, bytes, async (text) => text.length);
  const value = "y".repeat(bytes);
  const array = new Uint8Array(bytes).fill(7);
  const calls = Array.from({ length: count }, async (_, index) => {
    const echoed = (await remote.echo(index % 2 === 0 ? value : array)) as string | Uint8Array;
    return echoed.length === bytes;
  });
  const right = (await Promise.all(calls)).filter(Boolean).length + (await back);
  await connection.close();
  return right;
}

async function open(address: string, count: number): Promise<Opened> {
  const attempts = Array.from({ length: count }, async () => {
    try {
      const limits = { helloTimeoutMs: openLimitMs };
      const connection = await connect<Peer>(address, { ...plain, limits });
      opened.push(connection);
      return (await connection.remote.echo(1)) === 1 ? undefined : "wrong";
    } catch (error) {
      return String((error as { code?: unknown }).code);
    }
  });
  const ends = await Promise.all(attempts);
  return { count: ends.filter((end) => end === undefined).length, codes: ends.filter((end) => end !== undefined) };
}

async function answer(question: PeerQuestion): Promise<unknown> {
  switch (question.kind) {
    case "serve": {
      const { host, limits } = question;
      return (await serve(`tcp://${host}:0`, new Peer(), { ...plain, limits })).address;
    }
    case "watch":
      return watch(question);
    case "lost":
      return lost;
    case "flood":
      return flood(question);
    case "open":
      return open(question.address, question.count);
    case "close":
      await Promise.all(opened.map((connection) => connection.close({ graceMs: 0 })));
      opened = [];
      return undefined;
    case "hold":
      for (let count = 0; count < question.count; count++) openSync(process.execPath, "r");
      return undefined;
  }
}

answerQuestions(answer);
