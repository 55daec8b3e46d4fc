import type { ChildSpec, Ending, RestartType, SupervisedChild } from "../src/index.ts";

/** One life of a child that does nothing but end when it is told to. */
export class Life implements SupervisedChild {
  readonly ended: Promise<Ending>;
  readonly #stopped: () => void | Promise<void>;
  isOver = false;
  #resolve!: (ending: Ending) => void;

  constructor(stopped: () => void | Promise<void>) {
    this.#stopped = stopped;
    this.ended = new Promise((resolve) => (this.#resolve = resolve));
  }

  end(ending: Ending): void {
    this.isOver = true;
    this.#resolve(ending);
  }

  async stop(): Promise<void> {
    if (this.isOver) return;
    this.isOver = true;
    await this.#stopped();
    this.#resolve({ reason: "shutdown" });
  }
}

/** Children that write down when they are started and stopped. */
export class Stage {
  readonly log: string[] = [];
  /** How many of the next starts fail. */
  readonly failingStarts = new Map<string, number>();
  readonly #lives = new Map<string, Life>();

  child(id: string, restart?: RestartType, stopped: () => void | Promise<void> = () => {}): ChildSpec<Life> {
    const start = async (): Promise<Life> => {
      this.log.push(`start ${id}`);
      const failing = this.failingStarts.get(id) ?? 0;
      if (failing > 0) {
        this.failingStarts.set(id, failing - 1);
        throw new Error(`${id} doesn't start`);
      }
      const life = new Life(() => {
        this.log.push(`stop ${id}`);
        return stopped();
      });
      this.#lives.set(id, life);
      return life;
    };
    return { id, start, ...(restart !== undefined && { restart }) };
  }

  /** The latest life of a child. */
  life(id: string): Life {
    return this.#lives.get(id)!;
  }

  fail(id: string): void {
    this.life(id).end({ reason: "error", error: new Error(`${id} has failed`) });
  }

  /** What was written down since the last call. */
  taken(): string[] {
    return this.log.splice(0);
  }
}
