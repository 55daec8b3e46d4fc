import { describe, expect, it } from "vitest";
import { connect, digestOf, expose, runInChain, service } from "@colloquy/rpc";
import type { Connection } from "@colloquy/rpc";
import { Agent, dateSerializer } from "../../src/index.ts";
import type { Container } from "../../src/index.ts";
import { newContainer, turns, until } from "../support.ts";

/** The two of the guide: the first one is in its own mailbox while it asks the second one. */
class Account extends Agent {
  static readonly mailbox = "serial";
  inside = 0;
  most = 0;
  @expose async deposit(bank: any): Promise<string> {
    this.most = Math.max(this.most, ++this.inside);
    try {
      await bank.book(this);
      return "done";
    } finally {
      this.inside--;
    }
  }
  @expose owner(): string {
    this.most = Math.max(this.most, this.inside + 1);
    return "ada";
  }
}

class Bank extends Agent {
  static readonly mailbox = "serial";
  running = 0;
  @expose async book(account: any): Promise<void> {
    this.running++;
    await account.owner();
    this.running--;
  }
}

interface Scene {
  readonly account: Account;
  /** What the deposit of somebody else comes to, which waits for a call to the stranger. */
  readonly deposit: Promise<string>;
  /** What the stranger was asked. */
  readonly questions: unknown[][];
  /** Lets the stranger answer the call that it has got. */
  readonly release: () => void;
  /** The stranger, at the container of the account. */
  readonly stranger: Connection<any>;
}

/** A stranger with a root of its own keeps the bank waiting, while the account waits for the bank. */
async function newScene(answer: boolean): Promise<Scene> {
  const homes: Container[] = [];
  for (let index = 0; index < 3; index++) homes.push(await newContainer("tcp://127.0.0.1:0"));
  const account = await homes[0]!.spawn(new Account());
  const bank = await homes[1]!.spawn(new Bank());
  const questions: unknown[][] = [];
  let release = (): void => {};
  const released = new Promise<string>((resolve) => (release = () => resolve("bob")));
  const waits = expose((...question: unknown[]) => {
    questions.push(question);
    return (question[0] as string[]).map(() => answer);
  });
  const root = service({ mailboxes: service({ waits }), guest: service({ owner: expose(() => released) }) });
  const options = { service: root, rootName: "a stranger", extraSerializers: [dateSerializer] };
  const atBank = await connect<any>(bank.container.address, options);
  const stranger = await connect<any>(account.container.address, options);
  void atBank.remote.agents[bank.id].book(root["guest"]).catch(() => {});
  await until(() => bank.running === 1, "the stranger's call");
  const [toAccount, toBank] = await Promise.all([
    homes[2]!.connect<any>(account.address),
    homes[2]!.connect<any>(bank.address),
  ]);
  const deposit = toAccount.deposit(toBank) as Promise<string>;
  deposit.catch(() => {});
  await until(() => questions.length > 0, "a question");
  return { account, deposit, questions, release, stranger };
}

/** All texts in a value. */
function textsIn(value: unknown): string[] {
  if (typeof value === "string") return [value];
  return Array.isArray(value) ? value.flatMap(textsIn) : [];
}

describe("a peer that is asked about a deadlock", () => {
  it("learns no slot, so that it comes into no mailbox", async () => {
    const scene = await newScene(false);
    const learned = textsIn(scene.questions);
    expect(learned.length).toBeGreaterThanOrEqual(2);
    const entering = runInChain(learned, () => scene.stranger.remote.agents[scene.account.id].owner());
    await turns(50);
    expect(scene.account.most).toBe(1);
    scene.release();
    expect(await scene.deposit).toBe("done");
    // Ada's own call came back in, and the stranger's came when that was over.
    expect(await entering).toBe("ada");
    await scene.stranger.close();
  });

  it("fails the calls that wait for it where it lies, and no others", async () => {
    const scene = await newScene(true);
    await expect(scene.deposit).rejects.toMatchObject({ code: "DEADLOCK" });
    expect(await scene.stranger.remote.agents[scene.account.id].owner()).toBe("ada");
    scene.release();
  });

  it("is told slots by what leads to none", () => {
    const slot = "0b6b2f6e-6a3c-4d0e-9a53-0c8d3c1f2f10";
    expect(digestOf(slot)).toMatch(/^[\w-]{22}$/);
    expect(digestOf(slot)).toBe(digestOf(slot));
    expect(digestOf(`${slot}1`)).not.toBe(digestOf(slot));
  });
});
