/** A container where its parent wants it, with an agent that does what tests want. */
import { Agent, Container, launch } from "@colloquy/container";
import type { LaunchContext } from "@colloquy/container";

class Tools extends Agent {
  static readonly exposed: readonly string[] = [
    "contextOf",
    "crash",
    "exit",
    "block",
    "print",
    "ignoreSigterm",
    "stopLaterOnSigterm",
    "hasSigterm",
    "launchChild",
    "shutDown",
    "stopContext",
    "untilEnd",
  ];
  readonly #context: LaunchContext;
  #isAllReady = false;
  #sigterm: Promise<boolean> = Promise.resolve(false);

  constructor(context: LaunchContext) {
    super();
    this.#context = context;
    void context.allReady.then(() => (this.#isAllReady = true));
  }

  contextOf(): unknown {
    const { args, name, address } = this.#context;
    return { args, name, address, isAllReady: this.#isAllReady, pid: process.pid, argv: process.argv.slice(2) };
  }

  crash(): void {
    setImmediate(() => {
      throw new Error("crashed for a test");
    });
  }

  exit(code: number): void {
    setImmediate(() => process.exit(code));
  }

  block(): void {
    setImmediate(() => {
      for (;;);
    });
  }

  /** Pieces in base64, each in a write of its own. */
  async print(stream: "stdout" | "stderr", pieces: readonly string[]): Promise<void> {
    for (const piece of pieces) {
      await new Promise((resolve) => process[stream].write(Buffer.from(piece, "base64"), resolve));
    }
  }

  ignoreSigterm(): void {
    process.removeAllListeners("SIGTERM");
    process.on("SIGTERM", () => undefined);
  }

  /** `hasSigterm` tells that it has come, and does nothing else. */
  stopLaterOnSigterm(): void {
    process.removeAllListeners("SIGTERM");
    this.#sigterm = new Promise((resolve) => process.once("SIGTERM", () => resolve(true)));
  }

  async hasSigterm(): Promise<boolean> {
    return this.#sigterm;
  }

  /** Another one below this one. */
  async launchChild(entry: string): Promise<[pid: number, address: string]> {
    const launched = await launch({ entry });
    return [launched.pid, launched.address];
  }

  shutDown(): void {
    setImmediate(() => void this.container.shutdown());
  }

  /** Answers a little after the process has been told to end. */
  async untilEnd(): Promise<string> {
    const { signal } = this.#context;
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    await new Promise((resolve) => setTimeout(resolve, 100));
    return "answered";
  }

  stopContext(): void {
    this.#context.stop();
  }
}

export default async function run(context: LaunchContext): Promise<Container> {
  const container = await Container.create(context.address);
  await container.spawn(new Tools(context));
  return container;
}
export type { Tools };
