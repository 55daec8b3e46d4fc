/** A container with one agent, and the arguments it was launched with. */
import { Agent, Container } from "@colloquy/container";
import type { LaunchContext } from "@colloquy/container";

interface Args {
  readonly greeting?: string;
}

class Launched extends Agent {
  static readonly exposed: readonly string[] = ["greet", "pid", "variable", "argsOf", "crash", "print"];
  readonly #context: LaunchContext;

  constructor(context: LaunchContext) {
    super();
    this.#context = context;
  }

  greet(name: string): string {
    return `${(this.#context.args as Args | undefined)?.greeting ?? "Hello"} ${name}`;
  }

  variable(name: string): string | undefined {
    return process.env[name];
  }

  pid(): number {
    return process.pid;
  }

  argsOf(): unknown {
    const { args, signal } = this.#context;
    return [args instanceof Map ? [...args] : args, signal.aborted];
  }

  crash(): void {
    setImmediate(() => process.exit(7));
  }

  print(text: string): void {
    process.stdout.write(`${text}\n`);
    process.stderr.write(`${text} on stderr\n`);
  }
}

export default async function run(context: LaunchContext): Promise<Container> {
  const container = await Container.create("tcp://127.0.0.1:0");
  await container.spawn(new Launched(context));
  return container;
}
export type { Launched };
