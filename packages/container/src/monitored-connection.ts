import { ColloquyError, warn } from "@colloquy/core";
import { RemoteNode, expose } from "@colloquy/rpc";
import type { Connection } from "@colloquy/rpc";
import type { MonitorListener, MonitorReason } from "./agent.ts";
import type { TellEnds } from "./watchers.ts";

/** A monitor: its listener is told once, or never where it is taken back before. */
export class Watch {
  readonly #listener: MonitorListener;
  #onDone: (() => void) | undefined;
  #done = false;
  #told = false;

  constructor(listener: MonitorListener) {
    this.#listener = listener;
  }

  get done(): boolean {
    return this.#done || this.#told;
  }

  /** Called once, when it was told or taken back. */
  whenDone(onDone: () => void): void {
    const before = this.#onDone;
    this.#onDone = () => {
      before?.();
      onDone();
    };
  }

  /** The first reason counts. The listener is called later in this turn, unless the monitor is taken back before. */
  tell(reason: MonitorReason): void {
    if (this.done) return;
    this.#told = true;
    queueMicrotask(() => {
      if (!this.#done) this.#finish(reason);
    });
  }

  takeBack(): void {
    if (!this.#done) this.#finish(undefined);
  }

  #finish(reason: MonitorReason | undefined): void {
    this.#done = true;
    this.#onDone?.();
    this.#onDone = undefined;
    if (reason === undefined) return;
    try {
      // One that is async rejects.
      const made: unknown = this.#listener(reason);
      if (made instanceof Promise) made.catch(warnOfListener);
    } catch (error) {
      warnOfListener(error);
    }
  }
}

/** What is monitored over one connection to another container. */
export class MonitoredConnection {
  readonly #connection: Connection;
  readonly #watches = new Map<number, Watch>();
  /** Numbers that the other side needn't tell of. */
  #left: number[] = [];
  #lastNumber = 0;
  readonly #tell: TellEnds = (reason, numbers) => {
    for (const number of numbers) this.#end(number, reason);
  };

  constructor(connection: Connection) {
    this.#connection = connection;
    connection.onClose(() => {
      for (const number of this.#watches.keys()) this.#end(number, "unreachable");
    });
  }

  /** Rejects where the other side can't be asked. */
  async add(watch: Watch, id: string): Promise<void> {
    const number = ++this.#lastNumber;
    this.#watches.set(number, watch);
    watch.whenDone(() => this.#onDone(number));
    if (!(await this.#ask(id, number))) this.#end(number, "unreachable");
  }

  /** Whether there is such an agent. A container says when it ends; of others only the connection tells. */
  async #ask(id: string, number: number): Promise<boolean> {
    if (this.#connection.root !== undefined) {
      try {
        return (await this.#call("monitor", [id, number, this.#tell])) === true;
      } catch (error) {
        // A container of an earlier version.
        if (!(error instanceof ColloquyError && error.code === "NOT_FOUND")) throw error;
      }
    }
    return (await this.#call("validate_aid", [id])) !== null;
  }

  #call(path: string, args: unknown[]): Promise<unknown> {
    return this.#connection.call(new RemoteNode(this.#connection, path, undefined, false), args, undefined);
  }

  #end(number: number, reason: MonitorReason): void {
    const watch = this.#watches.get(number);
    this.#watches.delete(number);
    watch?.tell(reason);
  }

  /** Taken back, where it is still there. */
  #onDone(number: number): void {
    if (!this.#watches.delete(number) || this.#connection.root === undefined || !this.#connection.usable) return;
    if (this.#left.length === 0) queueMicrotask(() => this.#leave());
    this.#left.push(number);
  }

  #leave(): void {
    const numbers = this.#left;
    this.#left = [];
    if (this.#connection.usable) void this.#call("demonitor", [numbers]).catch(() => {});
  }
}

function warnOfListener(error: unknown): void {
  warn("a listener of container.monitor failed", error);
}
