/** Two containers with agents whose tasks tick and sleep without a signal; ends by nothing but shutdown. */
import { Agent, Container } from "@colloquy/container";

class Ticker extends Agent {
  static readonly exposed: readonly string[] = ["ping"];

  ping(): string {
    return "pong";
  }

  protected override onStart(): void {
    this.task(async () => {
      for await (const _ of this.container.clock.every(1));
    });
    this.task(async () => this.container.clock.sleep(3600));
    this.container.clock.callIn(3600, () => {});
  }
}

const here = await Container.create("tcp://127.0.0.1:0");
const there = await Container.create("local://there");
const agent = await here.spawn(new Ticker());
await there.spawn(new Ticker());
const proxy = await there.connect<Ticker>(agent.address);
process.stdout.write(`${JSON.stringify({ called: await proxy.ping() })}\n`);
await Promise.all([here.shutdown(), there.shutdown()]);
process.stdout.write(`${JSON.stringify({ down: true })}\n`);
