/** A container whose agent passes messages on, and looks whether its clock is that of the sender. */
import { Agent, Container, ExternalClock } from "@colloquy/container";
import type { LaunchContext } from "@colloquy/container";
import { notify } from "@colloquy/rpc";
import type { Remote } from "@colloquy/rpc";

interface CascadeArgs {
  readonly coordinated: boolean;
}

export class Cascade extends Agent {
  static exposed: readonly string[] = ["join", "each", "pass", "passed", "counts", "breakIn", "hang", "crash"];
  #peers: Remote<Cascade>[] = [];
  #own = 0;
  #handled = 0;
  #wrong = 0;

  /** The agents of all processes, in one order, and which of them this is. */
  async join(addresses: readonly string[], own: number): Promise<void> {
    this.#own = own;
    this.#peers = await Promise.all(addresses.map((address) => this.container.connect<Cascade>(address)));
  }

  /** Begins `count` cascades at each whole second, of so many messages each. */
  each(count: number, hops: number): void {
    this.task(async (signal) => {
      for await (const time of this.container.clock.every(1, { signal })) {
        for (let n = 0; n < count; n++) this.#send(Math.round(time), n, hops);
      }
    });
  }

  #send(sentAt: number, n: number, hops: number): void {
    const next = (this.#own + 1 + (n % 3)) % this.#peers.length;
    const peer = this.#peers[next]!;
    // Calls, notifications and callbacks by turns.
    if (hops % 3 === 0) notify(peer.pass)(sentAt, n, hops);
    else if (hops % 3 === 1) void peer.pass(sentAt, n, hops).catch(() => undefined);
    else void peer.passed(sentAt, n, hops, (at: number) => this.#look(at)).catch(() => undefined);
  }

  #look(sentAt: number): void {
    if (this.container.clock.time() !== sentAt) this.#wrong++;
  }

  pass(sentAt: number, n: number, hops: number): void {
    this.#handled++;
    this.#look(sentAt);
    if (hops > 1) this.#send(this.container.clock.time(), n, hops - 1);
  }

  async passed(sentAt: number, n: number, hops: number, back: (at: number) => Promise<void>): Promise<void> {
    await back(this.container.clock.time());
    this.pass(sentAt, n, hops);
  }

  counts(): [handled: number, wrong: number] {
    return [this.#handled, this.#wrong];
  }

  breakIn(dt: number, reason: string): void {
    this.container.clock.callIn(dt, () => {
      throw new RangeError(reason);
    });
  }

  hang(dt: number, label: string): void {
    this.container.clock.callIn(dt, () => void this.container.clock.busy(new Promise(() => {}), label));
  }

  crash(dt: number): void {
    this.container.clock.callIn(dt, () => process.kill(process.pid, "SIGKILL"));
  }
}

export default async function run({ args }: LaunchContext): Promise<Container> {
  const { coordinated } = args as CascadeArgs;
  const clock = new ExternalClock("2020-01-01");
  const container = await Container.create("tcp://127.0.0.1:0", { clock, coordinated });
  await container.spawn(new Cascade());
  return container;
}
