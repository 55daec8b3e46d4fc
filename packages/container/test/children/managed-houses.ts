/** Houses of which others may have as many as they like. */
import { Agent, ExternalClock, managed } from "@colloquy/container";
import type { LaunchContext } from "@colloquy/container";

class House extends Agent {
  static readonly exposed: readonly string[] = ["describe", "time", "wait", "end", "crash"];
  readonly #rooms: number;

  constructor(rooms: number) {
    super();
    this.#rooms = rooms;
  }

  describe(): [rooms: number, pid: number, id: string] {
    return [this.#rooms, process.pid, this.id];
  }

  time(): number {
    return this.container.clock.time();
  }

  /** Runs until the process ends. */
  async wait(): Promise<never> {
    return new Promise(() => {});
  }

  end(): void {
    setImmediate(() => void this.stop());
  }

  crash(): void {
    setImmediate(() => process.kill(process.pid, "SIGKILL"));
  }
}

class Broken extends Agent {
  protected override onStart(): never {
    throw new RangeError("no ground to build on");
  }
}

const run = managed({
  factories: { House: ({ rooms }: { rooms: number }) => new House(rooms), Broken: () => new Broken() },
  clock: new ExternalClock("2026-01-01"),
});
export default (context: LaunchContext): ReturnType<typeof run> => run(context);
export type { House };
