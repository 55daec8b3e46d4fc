import { timerMs } from "./limits.ts";

/** Those who wait for something to come about. Whatever may bring it about calls `check` afterwards. */
export class Conditions {
  #watchers: Set<() => void> | undefined;

  /** Resolves when `condition` holds, or after `milliseconds`. */
  async until(condition: () => boolean, milliseconds: number): Promise<void> {
    if (condition()) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#watchers?.delete(watcher);
        resolve();
      };
      const timer = setTimeout(done, timerMs(milliseconds));
      const watcher = (): void => {
        if (condition()) done();
      };
      (this.#watchers ??= new Set()).add(watcher);
    });
  }

  check(): void {
    if (this.#watchers !== undefined) for (const watcher of this.#watchers) watcher();
  }
}
