import type { Connection } from "@colloquy/rpc";
import type { ExternalClock } from "./external-clock.ts";
import type { Links } from "./links.ts";

/** One end of a connection between members: `[name, opened, peer, sent, received]`. */
export type LinkReport = readonly [name: string, opened: boolean, peer: string, sent: number, received: number];

/** What one container says of itself. */
export interface ActivityReport {
  /** When the next thing is due on its clock; null: nothing is. */
  readonly nextDue: number | null;
  /** What it waits for that is no message of another member and no time of its clock, in words. */
  readonly busy: readonly string[];
  readonly links: readonly LinkReport[];
}

export interface ActivitySource {
  /** The name of its root, which all its connections tell. */
  readonly root: string;
  readonly clock: ExternalClock;
  readonly links: Links;
  /** Those that others have opened. */
  accepted(): Iterable<Connection>;
}

/** What is under way in one container and on its connections to other members. */
export class Activity {
  readonly #source: ActivitySource;
  /** Roots of the members. */
  members: ReadonlySet<string> = new Set();

  constructor(source: ActivitySource) {
    this.#source = source;
  }

  /** How it is right now. */
  report(): ActivityReport {
    const { clock, links } = this.#source;
    const busy = clock.busyWork.labels.map((label) => `busy with ${label}`);
    for (const address of links.attempts) busy.push(`connecting to ${address}`);
    const ends: LinkReport[] = [];
    this.#add(links.connections, ends, busy);
    this.#add(this.#source.accepted(), ends, busy);
    return { nextDue: clock.nextDue ?? null, busy, links: ends };
  }

  #add(connections: Iterable<Connection>, ends: LinkReport[], busy: string[]): void {
    for (const connection of connections) {
      const traffic = connection.traffic();
      if (traffic === undefined || !this.members.has(traffic.peer)) continue;
      const { peer, link, opened, sentMessages, receivedMessages, isAtRest } = traffic;
      const name = `${opened ? this.#source.root : peer}/${link}`;
      ends.push([name, opened, peer, sentMessages, receivedMessages]);
      if (!isAtRest) busy.push(`sending or reading a message, with ${connection.remoteAddress}`);
    }
  }
}
