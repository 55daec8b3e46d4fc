import { inspect } from "node:util";
import type { PostedMessage } from "@colloquy/core";
import type { NetworkListener, Side, SimulatedLink } from "./simulated-network.ts";
import type { VirtualTime } from "./virtual-time.ts";

const TYPES = ["request", "result", "exception", "notification"];
const LONGEST_TEXT = 200;

/** What happens in a run: kept as text where that is asked for, and as a number that two runs of a seed have in common. */
export class Trace implements NetworkListener {
  readonly events: string[] = [];
  /** Follows from every message, and when it came. */
  print = 0;
  readonly #time: VirtualTime;
  readonly #isKept: boolean;

  constructor(time: VirtualTime, isKept: boolean) {
    this.#time = time;
    this.#isKept = isKept;
  }

  readonly note = (text: () => string): void => {
    if (this.#isKept) this.events.push(`${this.#time.now.toFixed(2).padStart(10)}  ${text()}`);
  };

  onMessage({ type, id, content }: PostedMessage, link: SimulatedLink, to: Side): void {
    this.#mix(type);
    this.#mix(id);
    this.#mix(link.number * 2 + (to === "near" ? 1 : 0));
    this.#mix(this.#time.now * 1000);
    this.note(
      () => `${String(link)} brings ${TYPES[type]} ${id} to ${to === "near" ? link.from : link.to}: ${shown(content)}`,
    );
  }

  onLinkEvent(link: SimulatedLink, text: string): void {
    this.#mix(text.length);
    this.note(() => `${String(link)} ${text}`);
  }

  #mix(value: number): void {
    this.print = (Math.imul(this.print ^ value, 0x01000193) + 1) >>> 0;
  }
}

function shown(content: unknown): string {
  const text = inspect(content, { depth: 4, breakLength: Infinity, maxStringLength: 40, maxArrayLength: 8 });
  return text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT)}...` : text;
}
