/** A container with an agent "desk", which waits for all to be ready before it calls its neighbours. */
import { Agent, Container } from "@colloquy/container";
import type { LaunchContext } from "@colloquy/container";

class Desk extends Agent {
  static readonly exposed: readonly string[] = ["pid", "wasReady"];
  #isReady = false;

  pid(): number {
    return process.pid;
  }

  wasReady(): boolean {
    return this.#isReady;
  }

  protected override onReady(): void {
    this.#isReady = true;
  }
}

export default async function run({ address, allReady }: LaunchContext): Promise<Container> {
  const container = await Container.create(address, { readyWhen: allReady });
  await container.spawn(new Desk(), { name: "desk" });
  return container;
}
export type { Desk };
