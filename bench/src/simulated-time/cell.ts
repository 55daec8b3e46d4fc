// One of the processes: a container whose agent passes messages on at whole seconds of its clock. Run by `launch`.
import { Agent, Container, ExternalClock } from "@colloquy/container";
import type { Remote } from "@colloquy/rpc";

/** What one agent has handled, and how much of that at another time than that of the sender. */
export interface Tally {
  readonly handled: number;
  readonly wrong: number;
}

export class Relay extends Agent {
  static exposed: readonly string[] = ["join", "begin", "pass", "tally", "setTime", "prepare", "fire"];
  readonly #clock: ExternalClock;
  #others: Remote<Relay>[] = [];
  #handled = 0;
  #wrong = 0;

  constructor(clock: ExternalClock) {
    super();
    this.#clock = clock;
  }

  async join(others: readonly string[]): Promise<void> {
    this.#others = await Promise.all(others.map((address) => this.container.connect<Relay>(address)));
  }

  /** At each second: so many cascades, of so many messages one after the other. */
  begin(cascades: number, messages: number): void {
    this.task(async (signal) => {
      for await (const time of this.#clock.every(1, { signal })) {
        for (let n = 0; n < cascades; n++) this.#send(time, n, messages);
      }
    });
  }

  #send(sentAt: number, n: number, messages: number): void {
    const to = this.#others[(n + messages) % this.#others.length]!;
    to.pass(sentAt, n, messages).catch((error: unknown) => process.stderr.write(`${String(error)}\n`));
  }

  pass(sentAt: number, n: number, messages: number): void {
    this.#handled++;
    if (this.#clock.time() !== sentAt) this.#wrong++;
    if (messages > 1) this.#send(this.#clock.time(), n, messages - 1);
  }

  tally(): Tally {
    return { handled: this.#handled, wrong: this.#wrong };
  }

  setTime(t: number): void {
    this.#clock.setTime(t);
  }

  prepare(t: number): void {
    this.#clock.prepare(t);
  }

  fire(): void {
    this.#clock.fire();
  }
}

export default async function run(): Promise<Container> {
  const clock = new ExternalClock("2020-01-01");
  const container = await Container.create("tcp://127.0.0.1:0", { clock, coordinated: true });
  await container.spawn(new Relay(clock));
  return container;
}
