import { isMainThread, parentPort, workerData } from "node:worker_threads";
import type { LaunchMessage, LaunchSettings } from "./launched.ts";

/** The parent, as a launched process or thread sees it. */
export interface ParentPort {
  readonly settings: LaunchSettings;
  readonly isThread: boolean;
  tell(message: LaunchMessage): void;
  /** From now on the channel to the parent doesn't keep this process or thread alive. */
  unref(): void;
}

export interface ParentListener {
  onMessage(message: LaunchMessage): void;
  /** The parent has ended, without a word. */
  onGone(): void;
}

export function openParentPort(listener: ParentListener): ParentPort {
  return isMainThread ? processPort(listener) : threadPort(listener);
}

function processPort(listener: ParentListener): ParentPort {
  // The entry's own programs shouldn't read it as an argument of theirs.
  const [text] = process.argv.splice(2);
  process.on("message", (message: LaunchMessage) => listener.onMessage(message));
  process.once("disconnect", () => listener.onGone());
  if (!process.connected) process.nextTick(() => listener.onGone());
  return {
    settings: JSON.parse(text!) as LaunchSettings,
    isThread: false,
    tell: (message) => {
      if (process.connected) process.send?.(message);
    },
    unref: () => process.channel?.unref(),
  };
}

function threadPort(listener: ParentListener): ParentPort {
  const port = parentPort!;
  port.on("message", (message: LaunchMessage) => listener.onMessage(message));
  return {
    settings: (workerData as { readonly settings: LaunchSettings }).settings,
    isThread: true,
    tell: (message) => port.postMessage(message),
    unref: () => port.unref(),
  };
}
