import type { ActivityReport, LinkReport } from "./activity.ts";
import { sameCounts } from "./driven-clock.ts";
import type { Expectation } from "./driven-clock.ts";

/** Both ends of one connection, as far as they were reported. */
interface Ends {
  opened?: LinkReport;
  accepted?: LinkReport;
  opener?: string;
  acceptor?: string;
}

/** What all members have reported in one round, in the order of the members. */
export class Snapshot {
  readonly reports: readonly ActivityReport[];
  readonly #ends = new Map<string, Ends>();

  /** `names` are those of the members, for people. */
  constructor(names: readonly string[], reports: readonly ActivityReport[]) {
    this.reports = reports;
    for (const [index, { links }] of reports.entries()) {
      for (const link of links) this.#add(link, names[index]!);
    }
  }

  /** When the next thing is due on any clock after `time`; undefined: nothing is. */
  nextDueAfter(time: number): number | undefined {
    const dues = this.reports.map(({ nextDue }) => nextDue).filter((due) => due !== null && due > time) as number[];
    return dues.length === 0 ? undefined : Math.min(...dues);
  }

  /** Both ends of every connection are there, and each has received what the other one has sent. */
  get isBalanced(): boolean {
    for (const { opened, accepted } of this.#ends.values()) {
      if (opened === undefined || accepted === undefined) return false;
      if (opened[3] !== accepted[4] || accepted[3] !== opened[4]) return false;
    }
    return true;
  }

  /** No member has sent or received anything between the two. */
  hasSameCounts(other: Snapshot): boolean {
    return this.reports.every((report, index) => sameCounts(report, other.reports[index]!));
  }

  /** What each member will have received once all is there that had been sent. */
  expectations(): Expectation[][] {
    return this.reports.map(({ links }) =>
      links.flatMap(([name, opened]): Expectation[] => {
        const ends = this.#ends.get(name)!;
        const other = opened ? ends.accepted : ends.opened;
        return other === undefined ? [] : [[name, opened, other[3]]];
      }),
    );
  }

  /** What was under way, in words. */
  inFlight(): string[] {
    const texts: string[] = [];
    for (const { opened, accepted, opener, acceptor } of this.#ends.values()) {
      if (opened === undefined || accepted === undefined) {
        const [at, peer] = opened === undefined ? [acceptor, "another member"] : [opener, "another member"];
        texts.push(`a connection of ${at} with ${peer} begins or ends`);
        continue;
      }
      for (const [count, from, to] of [
        [opened[3] - accepted[4], opener, acceptor],
        [accepted[3] - opened[4], acceptor, opener],
      ] as const) {
        if (count > 0) texts.push(`${count} ${count === 1 ? "message" : "messages"} from ${from} to ${to}`);
      }
    }
    return texts;
  }

  #add(link: LinkReport, member: string): void {
    const [name, isOpener] = link;
    let ends = this.#ends.get(name);
    if (ends === undefined) this.#ends.set(name, (ends = {}));
    if (isOpener) Object.assign(ends, { opened: link, opener: member });
    else Object.assign(ends, { accepted: link, acceptor: member });
  }
}
