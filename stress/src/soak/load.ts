import { setTimeout as sleep } from "node:timers/promises";
import { seededRandom, type Random } from "@colloquy/core";
import { MsgPackCodec, connect, type ReconnectingConnection } from "@colloquy/rpc";
import { Ledger } from "../ledger.ts";
import { drawOperation } from "./operations.ts";
import { Bumper, type Callee } from "./services.ts";

/** A peer is given up within two seconds; a machine that is busy elsewhere may take one of them. */
export const limits = { pingIntervalMs: 1000, pingTimeoutMs: 1000, writeStallMs: 2000, helloTimeoutMs: 2000 };

const loopCount = 8;
const mostPauseMs = 6;
const codes = ["CONNECTION_LOST", "UNAVAILABLE", "REFERENCE_RELEASED", "DEPENDENCY_FAILED"] as const;

/** What came of the operations so far. */
export interface Book {
  readonly calls: number;
  readonly settled: number;
  readonly succeeded: number;
  readonly reconnects: number;
  readonly failures: readonly (readonly [code: string, count: number])[];
  readonly wrongCount: number;
  readonly wrong: readonly string[];
}

/** Operations of all kinds over connections that are lost again and again. */
export class Load {
  readonly #connections: readonly (readonly [address: string, connection: ReconnectingConnection<Callee>])[];
  readonly #random: Random;
  readonly #ledger = new Ledger(codes);
  #isRunning = false;
  #loops: Promise<unknown> = Promise.resolve();

  private constructor(connections: Load["connections"], random: Random) {
    this.#connections = connections;
    this.#random = random;
  }

  static async connect(addresses: readonly string[], seed: number): Promise<Load> {
    const open = async (address: string): Promise<Load["connections"][number]> => {
      const options = {
        codec: MsgPackCodec,
        service: new Bumper(),
        limits,
        reconnect: { maxMs: 500 },
        timeout: 10_000,
      };
      return [address, await connect<Callee>(address, options)];
    };
    return new Load(await Promise.all(addresses.map(open)), seededRandom(seed));
  }

  get connections(): readonly (readonly [address: string, connection: ReconnectingConnection<Callee>])[] {
    return this.#connections;
  }

  /** Starts operations, and goes on. */
  go(): void {
    this.#isRunning = true;
    this.#loops = Promise.all(Array.from({ length: loopCount }, async (_, index) => this.#loop(index)));
  }

  /** Starts none any more. Resolves when all have settled, with false where that takes longer. */
  async pause(patienceMs: number): Promise<boolean> {
    this.#isRunning = false;
    const late = sleep(patienceMs, false, { ref: false });
    return Promise.race([this.#loops.then(() => true), late]);
  }

  book(): Book {
    const { calls, settled, succeeded, failures, wrongCount, wrong } = this.#ledger;
    const reconnects = this.#connections.reduce((sum, [, connection]) => sum + connection.stats().reconnects, 0);
    return { calls, settled, succeeded, reconnects, failures: [...failures], wrongCount, wrong };
  }

  async #loop(index: number): Promise<void> {
    const [address, { remote }] = this.#connections[index % this.#connections.length]!;
    const site = { remote, address, random: this.#random };
    let n = index;
    while (this.#isRunning) {
      const operation = drawOperation(this.#random);
      await this.#ledger.watch(
        operation.name,
        async () => operation(site, n),
        (isRight) => isRight,
      );
      await sleep(this.#random() * mostPauseMs);
      n += loopCount;
    }
  }
}
