import { spawn } from "node:child_process";
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** How a command has ended: one of the three is there. */
export interface MosaikOutcome {
  readonly id: number;
  readonly result?: any;
  /** What the simulator has answered as a failure, as it came. */
  readonly failure?: any;
  /** What has failed on the side of mosaik. */
  readonly error?: string;
}

/** One step of a run, as mosaik has seen it. */
export interface SteppedAt {
  readonly sim: string;
  readonly time: number;
  readonly inputs: any;
  readonly max_advance: number;
  readonly next: number | null;
  readonly data: any;
}

/** `mosaik_drive.py` in a child process: the part of mosaik. README.md lists the commands. */
export class MosaikPeer implements AsyncDisposable {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #waiting = new Map<number, (outcome: MosaikOutcome) => void>();
  readonly #exited: Promise<void>;
  #nextId = 0;
  #stderr = "";

  constructor(python = "python3") {
    const script = fileURLToPath(new URL("./mosaik_drive.py", import.meta.url));
    this.#child = spawn(python, ["-B", "-u", script]);
    this.#child.stdin.on("error", () => {});
    this.#child.stderr.setEncoding("utf8").on("data", (text: string) => (this.#stderr += text));
    createInterface({ input: this.#child.stdout }).on("line", (line) => {
      const outcome = JSON.parse(line) as MosaikOutcome;
      this.#waiting.get(outcome.id)?.(outcome);
      this.#waiting.delete(outcome.id);
    });
    this.#exited = new Promise((resolve) => {
      this.#child.once("close", () => {
        for (const [id, settle] of this.#waiting) settle({ id, error: `mosaik_drive.py has ended: ${this.#stderr}` });
        resolve();
      });
    });
  }

  call(op: string, command: Readonly<Record<string, unknown>> = {}): Promise<MosaikOutcome> {
    const id = this.#nextId++;
    const outcome = new Promise<MosaikOutcome>((resolve) => this.#waiting.set(id, resolve));
    this.#child.stdin.write(`${JSON.stringify({ ...command, op, id })}\n`);
    return outcome;
  }

  /** The result of a command; rejects with whatever else comes. */
  async result(op: string, command: Readonly<Record<string, unknown>> = {}): Promise<any> {
    const outcome = await this.call(op, command);
    if ("result" in outcome) return outcome.result;
    throw new Error(outcome.error ?? JSON.stringify(outcome.failure));
  }

  /** Name and message of the failure that a function of a simulator answers. */
  async failure(sim: string, name: string, args: readonly unknown[] = [], kwargs: object = {}): Promise<string[]> {
    const outcome = await this.call("send", { sim, function: name, args, kwargs });
    if (!Array.isArray(outcome.failure)) throw new Error(`no failure but ${JSON.stringify(outcome)}`);
    return outcome.failure as string[];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin.end();
    const force = setTimeout(() => this.#child.kill("SIGKILL"), 5000);
    await this.#exited;
    clearTimeout(force);
  }
}
