import { spawn, spawnSync } from "node:child_process";
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const folder = new URL("./", import.meta.url);

/** Why there is no Python to test with, or `undefined` if there is one. Tests print it and are skipped. */
export function pythonMissing(): string | undefined {
  const probe = "import sys; sys.exit(sys.version_info < (3, 9))";
  const { status } = spawnSync("python3", ["-c", probe], { stdio: "ignore" });
  return status === 0 ? undefined : "no python3 (3.9 or later) on the path: the interop tests are skipped";
}

export interface PythonPeerOptions {
  mode: "client" | "server";
  /** The interpreter; `python3` without it. */
  python?: string;
  /** Another file of this folder that takes the same options and commands. */
  script?: string;
  /** The third one takes the script `blosc_drive.py`. */
  codec?: "json" | "msgpack" | "msgpack-blosc";
  /** Where a client connects. Without it the op `connect` does. */
  address?: string;
  /** Where a server listens; a free port of 127.0.0.1 without it. */
  listen?: string;
  /** Numbers types, and serves agents, as a container does. */
  container?: boolean;
  /** Extra serializers, in order. */
  extra?: ("point" | "ndarray")[];
  /** Says hello as a client and answers it as a server; these fields go into its own hello. */
  hello?: boolean | Record<string, unknown>;
  /** Serves nothing. */
  noRoot?: boolean;
  /** Keeps the payloads for the op `frames`. */
  record?: boolean;
}

/** A command of `drive.py`; README.md lists them. */
export interface Command {
  op: string;
  [field: string]: unknown;
}

/** How a command ended: one of the three is there. */
export interface Outcome {
  id: number;
  result?: unknown;
  /** What the other side answered. `content` is there unless it is a string. */
  exception?: { origin: string; form: "string" | "list" | "map"; text: string; content?: unknown };
  /** What failed on the Python side. */
  error?: { type: string; message: string };
}

/** What happens without a command: `connected`, `closed` or `stray` is there. */
export interface PeerEvent {
  connected?: number;
  peer?: string;
  hello?: Record<string, unknown> | null;
  closed?: true;
  stray?: [type: number, id: number, content: unknown];
  connection?: number;
  reason?: string | null;
}

interface Settle<T> {
  resolve: (value: T) => void;
  reject: (error: Error) => void;
}

type EventName = "connected" | "closed" | "stray";
type Line = Partial<Outcome> & PeerEvent & { port?: number | null; address?: string };

/** A Python peer in a child process, driven by JSON lines. */
export class PythonPeer implements AsyncDisposable {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #exited: Promise<void>;
  readonly #calls = new Map<number, Settle<Outcome>>();
  readonly #events: PeerEvent[] = [];
  readonly #waiting: (Settle<PeerEvent> & { name: EventName })[] = [];
  #listening: Settle<string> | undefined;
  #nextId = 0;
  #stderr = "";
  #failure: Error | undefined;
  #address = "";

  private constructor(options: PythonPeerOptions) {
    const { python = "python3", script = "drive.py" } = options;
    this.#child = spawn(python, ["-B", "-u", fileURLToPath(new URL(script, folder)), ...flags(options)]);
    this.#child.stdin.on("error", () => {});
    this.#child.stderr.setEncoding("utf8").on("data", (text: string) => (this.#stderr += text));
    createInterface({ input: this.#child.stdout }).on("line", (line) => this.#take(JSON.parse(line) as Line));
    this.#exited = new Promise((resolve) => {
      this.#child.once("error", (error) => this.#fail(error));
      this.#child.once("close", (code) => {
        this.#fail(new Error(`the Python peer ended with ${code}: ${this.#stderr}`));
        resolve();
      });
    });
  }

  /** Starts a peer; resolves when it listens, or is connected. */
  static async start(options: PythonPeerOptions): Promise<PythonPeer> {
    const peer = new PythonPeer(options);
    if (options.mode === "server") {
      peer.#address = await new Promise<string>((resolve, reject) => (peer.#listening = { resolve, reject }));
    } else if (options.address !== undefined) {
      peer.#events.unshift(await peer.event("connected"));
    }
    return peer;
  }

  /** Where a server listens, `tcp://host:port`. */
  get address(): string {
    return this.#address;
  }

  /** Sends a command and waits for its outcome, whatever that is. */
  async call(command: Command): Promise<Outcome> {
    if (this.#failure) throw this.#failure;
    const id = this.#nextId++;
    const outcome = new Promise<Outcome>((resolve, reject) => this.#calls.set(id, { resolve, reject }));
    this.#child.stdin.write(`${JSON.stringify({ ...command, id })}\n`);
    return outcome;
  }

  /** The id that the next command gets: what the op `cancel` takes. */
  get nextId(): number {
    return this.#nextId;
  }

  /** Sends a command and returns its result; rejects with the text of anything else. */
  async result(command: Command): Promise<unknown> {
    const outcome = await this.call(command);
    if ("result" in outcome) return outcome.result;
    throw new Error(outcome.exception?.text ?? `${outcome.error?.type}: ${outcome.error?.message}`);
  }

  /** Calls a path of the other side and returns the result. */
  async remote(path: string, ...args: unknown[]): Promise<unknown> {
    return this.result({ op: "call", path, args });
  }

  /** The oldest event of that name that nobody has taken, or the next one. */
  async event(name: EventName): Promise<PeerEvent> {
    const index = this.#events.findIndex((event) => name in event);
    if (index >= 0) return this.#events.splice(index, 1)[0]!;
    if (this.#failure) throw this.#failure;
    return new Promise((resolve, reject) => this.#waiting.push({ name, resolve, reject }));
  }

  /** Ends the process: kindly, and after a second by force. */
  async close(): Promise<void> {
    this.#child.stdin.end();
    const force = setTimeout(() => this.#child.kill("SIGKILL"), 1000);
    await this.#exited;
    clearTimeout(force);
  }

  /** Ends the process at once, as a crash would. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #take(line: Line): void {
    if (line.id !== undefined) {
      this.#calls.get(line.id)?.resolve(line as Outcome);
      this.#calls.delete(line.id);
    } else if (line.address !== undefined) {
      this.#listening?.resolve(line.address);
    } else if (line.error) {
      this.#fail(new Error(`${line.error.type}: ${line.error.message}`));
    } else {
      const index = this.#waiting.findIndex(({ name }) => name in line);
      if (index < 0) this.#events.push(line);
      else this.#waiting.splice(index, 1)[0]!.resolve(line);
    }
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    const waiting = [this.#listening, ...this.#waiting.splice(0), ...this.#calls.values()];
    this.#calls.clear();
    for (const one of waiting) one?.reject(this.#failure);
  }
}

function flags(options: PythonPeerOptions): string[] {
  const { mode, codec = "json", address, listen, container, extra = [], hello, noRoot, record } = options;
  return [
    "--mode",
    mode,
    "--codec",
    codec,
    ...(address === undefined ? [] : ["--address", address]),
    ...(listen === undefined ? [] : ["--listen", listen]),
    ...(container ? ["--container"] : []),
    ...extra.flatMap((name) => ["--extra", name]),
    ...(hello ? ["--hello"] : []),
    ...(typeof hello === "object" ? ["--hello-fields", JSON.stringify(hello)] : []),
    ...(noRoot ? ["--no-root"] : []),
    ...(record ? ["--record"] : []),
  ];
}
