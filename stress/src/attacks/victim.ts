// The program of a child process with a small heap: a server that is attacked, or a client of servers that attack it.
import { createHash, timingSafeEqual } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { answerQuestions } from "@colloquy/bench/subprocess";
import { JsonCodec, MsgPackCodec, compressed } from "@colloquy/core";
import { Service, connect, expose, serve } from "@colloquy/rpc";
import type { ConnectOptions, Connection, Remote, Server } from "@colloquy/rpc";
import { callsFor, type Calls } from "./honest-calls.ts";
import type { Credentials } from "./raw-peer.ts";
import { VICTIM_LIMITS } from "./victim-limits.ts";
import { SECRET } from "./victim-secret.ts";

export type VictimQuestion =
  | { readonly ask: "serve"; readonly tls: Credentials | undefined; readonly options: VictimOptions }
  | { readonly ask: "mark" | "report" }
  | { readonly ask: "open"; readonly address: string; readonly tls: Credentials | undefined }
  | { readonly ask: "call"; readonly seconds: number }
  | {
      readonly ask: "visit";
      readonly address: string;
      readonly tls: Credentials | undefined;
      readonly seconds: number;
      readonly options: VisitOptions;
    };

type Visit = VictimQuestion & { readonly ask: "visit" };

export interface VictimOptions {
  readonly codec?: "auto" | "brotli";
  /** Clients have to show this. */
  readonly token?: string;
}

/** What a client does at a server that attacks it. */
export interface VisitOptions {
  readonly codec?: "json" | "msgpack" | "brotli";
  /** Default: two calls with short texts. `functions`: two that hand one out. `large`: more than a socket takes. */
  readonly calls?: "functions" | "large";
}

export interface VictimReport {
  /** Above what it was at the mark. */
  readonly grownBytes: number;
  /** Whatever must not be: rejections that nobody handles, changed prototypes, what ran and must not, warnings with odd characters. */
  readonly wrong: readonly string[];
  /** Why connections have ended. */
  readonly ends: readonly string[];
}

const LAST_LINE_BYTES = 4000;
const LARGE_TEXT = "x".repeat(50_000);
const LARGE_COUNT = 400;
const BROTLI = compressed(JsonCodec, { algorithm: "brotli" });
const CODECS = { json: JsonCodec, msgpack: MsgPackCodec, brotli: BROTLI } as const;

class Root extends Service {
  running = 0;
  mostRunning = 0;
  readonly wrong: string[] = [];

  @expose add(a: number, b: number): number {
    return a + b;
  }

  @expose echo(value: unknown): unknown {
    return value;
  }

  /** Looks at what it gets as careless code does. */
  @expose async take(value: unknown): Promise<number> {
    Object.assign({}, value);
    await value;
    return 1;
  }

  /** Doesn't listen to signals. */
  @expose async hold(_value?: unknown): Promise<void> {
    this.mostRunning = Math.max(this.mostRunning, ++this.running);
    await new Promise((resolve) => setTimeout(resolve, 300));
    this.running--;
  }

  @expose async callBack(back: () => Promise<unknown>): Promise<unknown> {
    return back();
  }

  @expose fail(): never {
    throw Object.assign(new Error("it failed"), { secret: SECRET });
  }

  hidden(): void {
    this.wrong.push("a method ran that isn't exposed");
  }
}

const root = new Root();
const ends = new Set<string>();
let server: Server | undefined;
let connection: Connection<Root> | undefined;
let marked = 0;

process.on("unhandledRejection", (reason) => root.wrong.push(`unhandled rejection: ${String(reason)}`));
process.on("uncaughtException", (error) => root.wrong.push(`uncaught: ${error.message}`));
process.on("warning", ({ message }) => {
  // eslint-disable-next-line no-control-regex -- what moves the cursor, or turns text around
  if (/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/.test(message))
    root.wrong.push("a warning has characters that move the cursor");
  if (message.length > LAST_LINE_BYTES) root.wrong.push(`a warning of ${message.length} characters`);
});

async function listen(tls: Credentials | undefined, { codec = "auto", token }: VictimOptions): Promise<string> {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  const authenticate = (shown: unknown): string => {
    if (token === undefined || typeof shown !== "string" || !timingSafeEqual(digest(shown), digest(token)))
      throw new Error("unknown");
    return "honest";
  };
  server = await serve("tcp://127.0.0.1:0", root, {
    codec: codec === "auto" ? "auto" : BROTLI,
    limits: VICTIM_LIMITS,
    tls,
    onConnection: ({ closed }) => void closed.then((reason) => ends.add(reason?.message ?? "in order")),
    ...(token !== undefined && { authenticate }),
  });
  return server.address;
}

/** Calls a server that attacks, over new connections; each call has to settle. Returns what has become of them, by code. */
async function visit({ address, tls, seconds, options: { codec, calls: kind } }: Visit): Promise<object> {
  const found: Record<string, number> = {};
  const note = (code: string): void => void (found[code] = (found[code] ?? 0) + 1);
  const options: ConnectOptions = {
    codec: CODECS[codec ?? "json"],
    limits: VICTIM_LIMITS,
    service: root,
    tls: tls && { ...tls, serverName: "localhost" },
  };
  const end = performance.now() + 1000 * seconds;
  while (performance.now() < end) {
    try {
      const attacker = await connect<Root>(address, options);
      const calls = callsAt(attacker.remote, kind).map((call) => call.then(() => note("fulfilled"), codeOf(note)));
      const late = new Promise((resolve) => setTimeout(resolve, 5000, "late").unref());
      if ((await Promise.race([Promise.all(calls), late])) === "late") root.wrong.push("a call never settled");
      attacker.destroy();
    } catch (error) {
      codeOf(note)(error);
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return found;
}

function callsAt(remote: Remote<Root>, kind: VisitOptions["calls"]): Promise<unknown>[] {
  if (kind === "large") return Array.from({ length: LARGE_COUNT }, () => remote.echo(LARGE_TEXT));
  if (kind === "functions") return [1, 2].map((number) => remote.callBack(async () => number));
  return ["x", "y"].map((text) => remote.take(text));
}

async function visitAndCall(question: Visit): Promise<object> {
  const [codes, calls] = await Promise.all([
    visit(question),
    callsFor(question.seconds, (a, b) => connection!.remote.add(a, b)),
  ]);
  return { codes, calls };
}

function codeOf(note: (code: string) => void): (error: unknown) => void {
  return (error) => note((error as { readonly code?: string }).code ?? String(error));
}

/** Memory of the process, as the system counts it. */
function statusBytes(name: "VmHWM" | "VmRSS"): number {
  const [, kilobytes] = new RegExp(`${name}:\\s+(\\d+) kB`).exec(readFileSync("/proc/self/status", "utf8")) ?? [];
  return 1024 * Number(kilobytes);
}

function report(): VictimReport {
  const wrong = [...root.wrong];
  if (Object.keys(Object.prototype).length > 0) wrong.push("Object.prototype was changed");
  if (root.mostRunning > 2 * VICTIM_LIMITS.maxRunningCount) wrong.push(`${root.mostRunning} calls ran`);
  return { grownBytes: statusBytes("VmHWM") - marked, wrong, ends: [...ends].slice(-5) };
}

answerQuestions(async (question: VictimQuestion): Promise<string | number | VictimReport | Calls | object> => {
  switch (question.ask) {
    case "serve":
      return listen(question.tls, question.options);
    case "mark":
      // The system begins to look for the highest anew.
      writeFileSync("/proc/self/clear_refs", "5");
      marked = statusBytes("VmRSS");
      return marked;
    case "report":
      return report();
    case "open": {
      const tls = question.tls && { ...question.tls, serverName: "localhost" };
      connection = await connect<Root>(question.address, { codec: MsgPackCodec, tls });
      return connection.remoteAddress;
    }
    case "call":
      return callsFor(question.seconds, (a, b) => connection!.remote.add(a, b));
    case "visit":
      return visitAndCall(question);
  }
});

export type { Root };
