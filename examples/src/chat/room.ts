import { Service, expose } from "@colloquy/rpc";
import type { CallContext } from "@colloquy/rpc";

/** What is told to those who listen. */
export interface Line {
  readonly from: string;
  readonly text: string;
}

/** A function of a client. Called here it runs there, so there is a promise. */
export type Hear = (line: Line) => void | Promise<void>;

interface Listener {
  readonly hear: Hear;
  /** The connection that it came on. */
  readonly connection: object;
}

/**
 * A room. Clients leave a function here, which is called with each line. It goes with its owner: when the client leaves, when it says that it
 * doesn't listen any more, and when its connection ends, however that ends.
 */
export class Room extends Service {
  readonly #listeners = new Map<string, Listener>();
  readonly #onChange: (text: string) => void;

  constructor(onChange: (text: string) => void) {
    super();
    this.#onChange = onChange;
  }

  get listenerCount(): number {
    return this.#listeners.size;
  }

  @expose({ context: true })
  join(name: string, hear: Hear, { connection }: CallContext): string[] {
    if (this.#listeners.has(name)) throw new Error(`there is a ${name} in the room already`);
    this.#listeners.set(name, { hear, connection });
    this.#onChange(`${name} has joined, ${this.#listeners.size} listen`);
    connection.onClose((error) => {
      if (this.#listeners.get(name)?.connection === connection)
        this.#forget(name, error === undefined ? "has left" : "was lost");
    });
    return [...this.#listeners.keys()];
  }

  /** Tells all others. Nobody waits for those who are slow: a call that isn't awaited fails silently, and is counted. */
  @expose
  say(from: string, text: string): void {
    for (const [name, { hear }] of this.#listeners) if (name !== from) void hear({ from, text });
  }

  @expose
  stopListening(name: string): void {
    this.#forget(name, "doesn't listen any more");
  }

  #forget(name: string, how: string): void {
    if (!this.#listeners.delete(name)) return;
    this.#onChange(`${name} ${how}, ${this.#listeners.size} listen`);
    this.say("room", `${name} ${how}`);
  }
}
