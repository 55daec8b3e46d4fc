import { execFile, spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Measurement } from "../measure.ts";
import { samplePayload, type Payload } from "../payload.ts";
import type { Peer, PeerClient, PeerServer } from "../peer.ts";

/** What a program writes, a JSON line each: first where it listens, or that it is ready, then an answer to each order. */
interface Report {
  readonly address?: string;
  readonly versions?: Readonly<Record<string, string>>;
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: string;
}

interface PendingOrder {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

const folder = new URL("../../python/", import.meta.url);
/** The system's own comes last: modules of system packages are there even where another one is first in the path. */
const interpreters = ["python3", "/usr/bin/python3"];
const closeLimitMs = 1000;
const keptOutputLength = 1000;
const run = promisify(execFile);

/** The calls of the workloads that Python programs can measure. */
const calls: Readonly<Record<string, { operation: string; args: readonly unknown[] }>> = {
  W1: { operation: "add", args: [3, 4] },
  W2: { operation: "add", args: [3, 4] },
  W3: { operation: "echo", args: [samplePayload()] },
  W5: { operation: "callback", args: [20] },
};
const onlyInNode = ["W6", "W7", "W8", "W9"];

/** A program that takes orders as JSON lines and ends when its input does. */
class PythonProgram {
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #pending = new Map<number, PendingOrder>();
  readonly #ended: Promise<void>;
  /** What it says first. */
  readonly hello: Promise<Report>;
  #nextId = 0;

  constructor(interpreter: string, program: string, args: readonly string[]) {
    this.#process = spawn(interpreter, ["-B", fileURLToPath(new URL(program, folder)), ...args]);
    let output = "";
    this.#process.stderr.setEncoding("utf8").on("data", (text: string) => {
      output = (output + text).slice(-keptOutputLength);
    });
    this.#process.stdin.on("error", () => {});
    const lines = createInterface({ input: this.#process.stdout });
    this.#ended = new Promise((resolve) => {
      this.#process.on("error", () => resolve());
      this.#process.on("close", () => resolve());
    });
    this.hello = new Promise((resolve, reject) => {
      lines.once("line", (hello) => {
        resolve(JSON.parse(hello) as Report);
        lines.on("line", (line) => this.#settle(JSON.parse(line) as Report));
      });
      void this.#ended.then(() => {
        const error = new Error(`${program} has ended ${output}`.trim());
        reject(error);
        for (const pending of this.#pending.values()) pending.reject(error);
      });
    });
  }

  order(operation: string, args: readonly unknown[]): Promise<unknown> {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#process.stdin.write(`${JSON.stringify({ id, operation, args })}\n`);
    });
  }

  /** Ends its input, and the program when it doesn't end by that in time. */
  async close(): Promise<void> {
    this.#process.stdin.end();
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), closeLimitMs);
    await this.#ended;
    clearTimeout(timer);
  }

  #settle({ id, result, error }: Report): void {
    const pending = id === undefined ? undefined : this.#pending.get(id);
    if (id === undefined || pending === undefined) return;
    this.#pending.delete(id);
    if (error === undefined) pending.resolve(result);
    else pending.reject(new Error(error));
  }
}

/** The first interpreter that has the modules; rejects with what the last one said when none has. */
async function findInterpreter(modules: readonly string[]): Promise<string> {
  let reason: unknown;
  for (const interpreter of interpreters) {
    try {
      await run(interpreter, ["-c", `import ${modules.join(", ")}`]);
      return interpreter;
    } catch (error) {
      reason = error;
    }
  }
  throw new Error(`no Python 3 with the modules ${modules.join(", ")}`, { cause: reason });
}

async function open(interpreter: string, program: string, address: string): Promise<PeerClient> {
  const client = new PythonProgram(interpreter, program, ["client", address]);
  await client.hello;
  return {
    add: (a, b) => client.order("add", [a, b]) as Promise<number>,
    echo: (payload) => client.order("echo", [payload]) as Promise<Payload>,
    callback: (n) => client.order("callback", [n]) as Promise<number>,
    async measure({ name, inFlight, kind }, { warmUpMs, timedMs }) {
      const call = calls[name];
      if (call === undefined) throw new Error(`Python programs can't do ${name}`);
      return (await client.order("measure", [{ ...call, inFlight, kind, warmUpMs, timedMs }])) as Measurement;
    },
    async close() {
      await client.order("close", []);
      await client.close();
    },
  };
}

function pythonPeer(name: string, modules: readonly string[], lacks: readonly string[] = []): Peer {
  const program = `${name}_peer.py`;
  const versions: Record<string, string> = {};
  return {
    name,
    versions,
    lacks: [...onlyInNode, ...lacks],
    available: () =>
      findInterpreter(modules).then(
        () => undefined,
        (error: Error) => error.message,
      ),
    async server(): Promise<PeerServer> {
      const server = new PythonProgram(await findInterpreter(modules), program, ["server"]);
      const hello = await server.hello;
      Object.assign(versions, hello.versions);
      return { address: hello.address!, close: () => server.close() };
    },
    client: async (address) => open(await findInterpreter(modules), program, address),
  };
}

/** ZeroMQ in Python, with MsgPack. */
export const pyzmq: Peer = pythonPeer("pyzmq", ["zmq", "msgpack"]);

/** Pyro 4 with MsgPack; what overlaps goes in batches. */
export const pyro4: Peer = pythonPeer("pyro4", ["Pyro4", "msgpack"]);

/** RPyC with its defaults; it has no echo, since its objects travel by reference. */
export const rpyc: Peer = pythonPeer("rpyc", ["rpyc"], ["W3"]);
