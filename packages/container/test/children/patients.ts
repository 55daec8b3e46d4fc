/** A container with three agents, which says where they are and lives until it is killed. */
import { Agent, Container } from "@colloquy/container";

class Patient extends Agent {
  static readonly exposed: readonly string[] = ["crash", "pass"];

  crash(): void {
    this.fail(new Error("boom"));
  }

  pass(): void {}
}

const container = await Container.create("tcp://127.0.0.1:0", { onTaskFailure: () => {} });
const agents = [];
for (let count = 0; count < 3; count++) agents.push(await container.spawn(new Patient()));
process.stdout.write(`${JSON.stringify({ addresses: agents.map(({ address }) => address) })}\n`);
