/** Prints what a container keeps of each of the others that it has met, and that are gone: bytes. */
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Agent, Container } from "@colloquy/container";

class Echo extends Agent {
  static readonly exposed: readonly string[] = ["echo"];

  echo(value: string): string {
    return value;
  }
}

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
const here = await Container.create("local://here");

async function meet(count: number): Promise<void> {
  for (let n = 0; n < count; n++) {
    const there = await Container.create(`local://there-${n}-${count}`);
    const remote = await here.connect<Echo>((await there.spawn(new Echo())).address);
    await remote.echo("hello");
    await there.shutdown();
  }
}

async function heap(): Promise<number> {
  for (let round = 0; round < 3; round++) {
    await sleep(5);
    collect();
  }
  return process.memoryUsage().heapUsed;
}

const COUNT = 150;
await meet(50);
const before = await heap();
await meet(COUNT);
process.stdout.write(`${JSON.stringify({ bytes: ((await heap()) - before) / COUNT })}\n`);
await here.shutdown();
