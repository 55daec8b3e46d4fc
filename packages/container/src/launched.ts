/** What a launched module's default export is called with. */
export interface LaunchContext {
  /** `args` of `launch`. */
  readonly args: unknown;
  /** Name of the process or thread, as it stands before its lines. */
  readonly name: string;
  /**
   * The address that the parent proposes: that of its options, else a Unix socket in a private folder that is removed at the end. A
   * supervised one gets the same again when it is restarted.
   */
  readonly address: string;
  /** Aborts when the process or thread is to end. */
  readonly signal: AbortSignal;
  /**
   * Resolves once this one and all that were launched with it by `launchAll` are ready; never, where it is to end before. The entry
   * must not await it before it returns its container: that is what makes it ready.
   */
  readonly allReady: Promise<void>;
  /** Ends this process or thread in order, as `stop` of the parent does. */
  stop(): void;
}

/** What the parent settles before the program begins. */
export interface LaunchSettings {
  /** Path of the module to run. */
  readonly entry: string;
  readonly name: string;
  readonly address: string;
  /** Folder that the child removes where its parent is gone. */
  readonly folder: string | undefined;
  readonly stopTimeout: number;
}

/** What parent and child tell each other. */
export type LaunchMessage =
  | { readonly colloquy: "start"; readonly args: unknown }
  | { readonly colloquy: "ready"; readonly address: string }
  | { readonly colloquy: "failed"; readonly reason: string; readonly stack: string }
  | { readonly colloquy: "allReady" }
  | { readonly colloquy: "stop" };

/** False for what an entry sends of its own: it has the same channel, and may know a parent of another kind. */
export function isLaunchMessage(value: unknown): value is LaunchMessage {
  return typeof value === "object" && value !== null && "colloquy" in value;
}
