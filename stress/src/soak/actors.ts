import { Subprocess } from "@colloquy/bench/subprocess";
import { ByteProxy } from "../network/byte-proxy.ts";
import type { SoakQuestion } from "./cell.ts";
import type { Book } from "./load.ts";
import type { Look } from "./look.ts";

const program = new URL("cell.js", import.meta.url);
const command = [process.execPath, "--expose-gc"];
const patienceMs = 30_000;

/** A process of the soak. */
export class Actor {
  readonly #process = new Subprocess(program, command);

  ask<T>(question: SoakQuestion): Promise<T> {
    return this.#process.ask<T>(question, 4 * patienceMs);
  }

  end(): Promise<void> {
    return this.#process.end();
  }

  kill(): void {
    this.#process.kill("SIGKILL");
  }

  freeze(): void {
    this.#process.kill("SIGSTOP");
  }

  thaw(): void {
    this.#process.kill("SIGCONT");
  }
}

/**
 * Who takes part: a client and a server that live from the beginning to the end, and are looked at, and one of each that are killed and
 * followed by others. Both clients call over proxies.
 *
 * ```
 * client, short-lived client -> steady proxy -> server
 * client                     -> frail proxy  -> short-lived server
 * ```
 */
export class Cast {
  readonly client: Actor = new Actor();
  readonly server: Actor;
  readonly steady: ByteProxy;
  readonly frail: ByteProxy;
  #frailClient = new Actor();
  #frailServer: Actor;
  #seed: number;

  private constructor(steady: ByteProxy, frail: ByteProxy, frailServer: Actor, server: Actor, seed: number) {
    this.steady = steady;
    this.frail = frail;
    this.#frailServer = frailServer;
    this.server = server;
    this.#seed = seed;
  }

  static async start(seed: number): Promise<Cast> {
    const [server, frailServer] = [new Actor(), new Actor()];
    const [steady, frail] = await Promise.all(
      [server, frailServer].map(async (one) => ByteProxy.open(await one.ask<string>({ kind: "serve" }))),
    );
    const cast = new Cast(steady!, frail!, frailServer, server, seed);
    await cast.client.ask({ kind: "connect", addresses: [steady!.address, frail!.address], seed });
    await cast.client.ask({ kind: "go" });
    await cast.#startFrailClient();
    return cast;
  }

  get frailServer(): Actor {
    return this.#frailServer;
  }

  async replaceClient(): Promise<void> {
    const dead = this.#frailClient;
    dead.kill();
    await dead.end();
    this.#frailClient = new Actor();
    await this.#startFrailClient();
  }

  /** Kills the server, or closes it in order, and starts another. */
  async replaceServer(inOrder: boolean): Promise<void> {
    const old = this.#frailServer;
    if (inOrder) await old.ask({ kind: "close" });
    else old.kill();
    await old.end();
    this.#frailServer = new Actor();
    this.frail.target = await this.#frailServer.ask<string>({ kind: "serve" });
  }

  /** Nothing is under way when it resolves, with false where a call has not settled. */
  async pause(): Promise<boolean> {
    for (const proxy of [this.steady, this.frail]) for (const link of proxy.links) link.heal();
    const ends = [this.client, this.#frailClient].map((one) => one.ask<boolean>({ kind: "pause", patienceMs }));
    return (await Promise.all(ends)).every(Boolean);
  }

  async go(): Promise<void> {
    await Promise.all([this.client, this.#frailClient].map((one) => one.ask({ kind: "go" })));
  }

  /** What client and server hold. The others collect garbage, too: what they have held of these two goes then. */
  async look(): Promise<Record<"client" | "server", Look>> {
    const all = [this.client, this.server, this.#frailClient, this.#frailServer];
    const [client, server] = await Promise.all(all.map((one) => one.ask<Look>({ kind: "look" })));
    return { client: client!, server: server! };
  }

  books(): Promise<readonly Book[]> {
    return Promise.all([this.client, this.#frailClient].map((one) => one.ask<Book>({ kind: "book" })));
  }

  async end(): Promise<void> {
    await Promise.all([this.client, this.#frailClient, this.server, this.#frailServer].map((one) => one.end()));
    await Promise.all([this.steady.close(), this.frail.close()]);
  }

  async #startFrailClient(): Promise<void> {
    await this.#frailClient.ask({ kind: "connect", addresses: [this.steady.address], seed: this.#seed++ });
    await this.#frailClient.ask({ kind: "go" });
  }
}
