import { setTimeout as sleep } from "node:timers/promises";
import { ColloquyError, type ErrorCode } from "@colloquy/core";

const keptCount = 2000;

/** Keeps book of calls: whether each settles, and with what. */
export class Ledger {
  calls = 0;
  settled = 0;
  succeeded = 0;
  readonly failures: Map<string, number> = new Map();
  /** Results and errors that are not as they have to be, in words; the first of them. */
  readonly wrong: string[] = [];
  wrongCount = 0;
  readonly #allowed: ReadonlySet<string>;

  /** Calls may fail with the codes that are `allowed`. */
  constructor(allowed: Iterable<ErrorCode>) {
    this.#allowed = new Set(allowed);
  }

  get open(): number {
    return this.calls - this.settled;
  }

  /** Notes a call, whose result has to be `right`. Resolves when it has settled: with the error, if it failed. */
  async watch<T>(
    what: string,
    call: () => Promise<T>,
    isRight: (value: T) => boolean,
  ): Promise<ColloquyError | undefined> {
    this.calls++;
    try {
      const value = await call();
      this.settled++;
      this.succeeded++;
      if (!isRight(value)) this.note(`${what} has a wrong result`);
      return undefined;
    } catch (error) {
      this.settled++;
      return this.#failed(what, error);
    }
  }

  /** Something is not as it has to be. */
  note(text: string): void {
    this.wrongCount++;
    if (this.wrong.length < keptCount) this.wrong.push(text);
  }

  /** Takes over what another one has noted, which was about `what`. */
  add(other: Ledger, what: string): void {
    this.calls += other.calls;
    this.settled += other.settled;
    this.succeeded += other.succeeded;
    for (const [code, count] of other.failures) this.failures.set(code, (this.failures.get(code) ?? 0) + count);
    for (const text of other.wrong) this.note(`${text} (${what})`);
    this.wrongCount += other.wrongCount - other.wrong.length;
  }

  /** Whether all calls have settled within this time. */
  async settledWithin(milliseconds: number): Promise<boolean> {
    const end = performance.now() + milliseconds;
    while (this.open > 0 && performance.now() < end) await sleep(5);
    return this.open === 0;
  }

  #failed(what: string, error: unknown): ColloquyError | undefined {
    if (!(error instanceof ColloquyError)) {
      this.note(`${what} failed with ${String(error)}, which is no error of the library`);
      return undefined;
    }
    const { code, executed, message } = error;
    this.failures.set(code, (this.failures.get(code) ?? 0) + 1);
    if (!this.#allowed.has(code)) this.note(`${what} failed with ${code}: ${message}`);
    if (executed === undefined) this.note(`${what} failed with ${code} and without executed`);
    return error;
  }
}
