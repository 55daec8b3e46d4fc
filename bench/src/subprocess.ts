import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** What a subprocess says to one question. */
type Answer = { readonly value?: unknown } | { readonly failure: string };

const keptOutputLength = 2000;
const exitLimitMs = 5_000;

const living = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of living) child.kill("SIGKILL");
});

/** A forked program that answers questions, one at a time. It ends with its parent, whatever becomes of that. */
export class Subprocess {
  readonly #process: ChildProcess;
  readonly #exited: Promise<unknown>;
  #output = "";

  /** `command` is what runs the program: `["taskset", "-c", "0", "node"]`; without it, this Node. */
  constructor(program: URL, command: readonly string[] = []) {
    const [execPath = process.execPath, ...execArgv] = command;
    const stdio: ("ignore" | "pipe" | "ipc")[] = ["ignore", "ignore", "pipe", "ipc"];
    this.#process = fork(fileURLToPath(program), [], { execPath, execArgv, stdio });
    living.add(this.#process);
    this.#exited = once(this.#process, "exit").finally(() => living.delete(this.#process));
    this.#process.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#output = (this.#output + text).slice(-keptOutputLength);
    });
  }

  /** The answer to `question`. Rejects when the program fails, ends before it has answered, or needs longer than `limitMs`. */
  async ask<T>(question: object, limitMs = 120_000): Promise<T> {
    const limit = new AbortController();
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), limitMs);
    try {
      const answered = once(this.#process, "message", { signal: limit.signal });
      answered.catch(() => {});
      this.#process.send(question);
      const [answer] = (await Promise.race([answered, this.#exited.then(() => this.#gone())])) as [Answer];
      if ("failure" in answer) throw new Error(answer.failure);
      return answer.value as T;
    } finally {
      clearTimeout(timer);
      limit.abort();
    }
  }

  /** Sends a signal to the program. */
  kill(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /** Lets the program exit, by force when it doesn't in time, and resolves when it is gone. */
  async end(): Promise<void> {
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), exitLimitMs);
    if (this.#process.connected) this.#process.disconnect();
    await this.#exited;
    clearTimeout(timer);
  }

  #gone(): never {
    const reason = this.#process.signalCode ?? `exit code ${this.#process.exitCode}`;
    throw new Error(`ended with ${reason} ${this.#output}`.trim());
  }
}

/** In the forked program: answers every question with what `answer` makes of it, until the parent is gone. */
export function answerQuestions<Q>(answer: (question: Q) => unknown): void {
  process.once("disconnect", () => process.exit(0));
  process.on("message", (question) => {
    void answered(answer, question as Q).then((reply) => process.send?.(reply));
  });
}

async function answered<Q>(answer: (question: Q) => unknown, question: Q): Promise<Answer> {
  try {
    return { value: await answer(question) };
  } catch (error) {
    return { failure: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}
