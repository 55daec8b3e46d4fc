import { connect, currentChain, digestOf, expose, runInChain, service } from "@colloquy/rpc";
import { describe, expect, it } from "vitest";
import { Agent, dateSerializer } from "../../src/index.ts";
import type { Container } from "../../src/index.ts";
import { newContainer, turns, until } from "../support.ts";

/** Calls whatever it is given, over and over. */
class Publisher extends Agent {
  static readonly mailbox = "serial";
  slot = "";
  @expose async each(count: number, subscriber: () => unknown): Promise<void> {
    this.slot = currentChain()!.at(-1)!;
    await Promise.all(Array.from({ length: count }, () => subscriber()));
  }
  @expose idle(): void {}
}

/** A peer whose function was called 900 times, by a handler that waits for all of them; it never answers what it is asked. */
async function newScene(): Promise<{ home: Container; agent: Publisher; questions: unknown[][]; peer: any }> {
  const home = await newContainer("tcp://127.0.0.1:0");
  const agent = await home.spawn(new Publisher());
  const questions: unknown[][] = [];
  let calls = 0;
  const waits = expose((...question: unknown[]) => {
    questions.push(question);
    return new Promise(() => {});
  });
  const root = service({ mailboxes: service({ waits }) });
  const options = { service: root, rootName: "a stranger", extraSerializers: [dateSerializer] };
  const peer = await connect<any>(home.address, options);
  const subscriber = (): Promise<void> => {
    calls++;
    return new Promise(() => {});
  };
  void peer.remote.agents[agent.id].each(900, subscriber).catch(() => {});
  await until(() => calls === 900, "the calls");
  return { home, agent, questions, peer };
}

describe("a peer with many calls of a handler", () => {
  it("isn't asked by each of its calls for each of them", async () => {
    const { home, agent, questions, peer } = await newScene();
    const { pending } = home.stats();
    for (let index = 0; index < 60; index++)
      void runInChain([`fake ${index}`], async () => peer.remote.agents[agent.id].idle().catch(() => {}));
    await until(() => home.stats().waitingCalls === 60, "the calls that wait");
    await turns(200);
    expect(questions.length).toBeLessThanOrEqual(32);
    expect(home.stats().pending).toBeLessThanOrEqual(pending + 32);
    peer.destroy();
  });

  it("gets no more than it has sent where it asks about that handler, and is told to come again", async () => {
    const { home, agent, questions, peer } = await newScene();
    const { waits } = peer.remote.mailboxes;
    const digest = digestOf(agent.slot);
    const many = Array.from({ length: 1024 }, (_, index) => `digest ${index}`);
    await expect(waits([digest], many, 8, "search")).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    const { running } = home.stats();
    const told: unknown[] = [];
    for (let index = 0; index < 100; index++)
      void waits([digest], many.slice(0, 32), 8, `search ${index}`).then(
        (answer: unknown) => told.push(answer),
        () => {},
      );
    await until(() => told.length === 68, "the answers");
    expect(new Set(told.map((answer) => JSON.stringify(answer)))).toEqual(new Set(["[null]"]));
    await until(() => questions.length === 32, "the questions");
    await turns(20);
    expect(questions).toHaveLength(32);
    expect(home.stats().running).toBeLessThanOrEqual(running + 32);
    peer.destroy();
  });
});
