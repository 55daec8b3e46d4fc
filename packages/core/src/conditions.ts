import { timerMs } from "./limits.ts";

/** Those who wait for something to come about. Whatever may bring it about calls `check` afterwards. */
export class Conditions {
  readonly #watchers = new Set<() => void>();

  /** Resolves when `condition` holds, or after `milliseconds`. */
  async until(condition: () => boolean, milliseconds: number): Promise<void> {
    if (condition()) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#watchers.delete(watcher);
        resolve();
      };
      const timer = setTimeout(done, timerMs(milliseconds));
      const watcher = (): void => {
        if (condition()) done();
      };
      this.#watchers.add(watcher);
    });
  }

  check(): void {
    if (this.#watchers.size > 0) for (const watcher of this.#watchers) watcher();
  }
}
