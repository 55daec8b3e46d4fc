import { describe, expect, test } from "vitest";
import { Service, expose, pipeline } from "@colloquy/rpc";
import { Agent, Container } from "../src/index.ts";

class Account extends Service {
  #total = 0;
  @expose add(amount: number) {
    this.#total += amount;
    return this;
  }
  @expose total() {
    return this.#total;
  }
}

class Bank extends Agent {
  @expose open() {
    return new Account();
  }
  @expose async *amounts() {
    yield* [1, 2, 3];
  }
  @expose async sum(amounts: AsyncIterable<number>) {
    let sum = 0;
    for await (const amount of amounts) sum += amount;
    return sum;
  }
}

describe("calls on results of an agent", () => {
  test("leave before the results are there, and streams go back to it", async () => {
    await using home = await Container.create("local://pipeline-home");
    await using away = await Container.create("local://pipeline-away");
    const bank = await home.spawn(new Bank());
    const proxy = await away.connect<Bank>(bank.address);
    const [connection] = away.connections;
    const total = pipeline(pipeline(proxy.open()).add(3)).total();
    expect(connection!.stats().pending).toBe(3);
    expect(await total).toBe(3);
    expect(await proxy.sum(proxy.amounts())).toBe(6);
  });
});
