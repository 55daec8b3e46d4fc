import { setTimeout as setNodeTimeout } from "node:timers";
import { ColloquyError, OPTION, checkOptions, messageOf, timerMs } from "@colloquy/core";
import type { OptionKind } from "@colloquy/core";
import type { ActivityReport } from "./activity.ts";
import { invalidArgument, requireSeconds } from "./clock.ts";
import { Container } from "./container.ts";
import { failureOf, localMember, remoteMember } from "./coordinated-member.ts";
import type { CoordinatedMember, MemberConnectOptions } from "./coordinated-member.ts";
import { STEP_TIMEOUT, STEP_TIMEOUT_MS } from "./option-kinds.ts";
import { Snapshot } from "./snapshot.ts";

export interface CoordinateOptions extends MemberConnectOptions {
  /** Milliseconds that a step may take, in real time. Default: 30,000. */
  readonly timeoutMs?: number | undefined;
}

/** A container whose clock is to be driven: the container, its address, or what `launch` has returned. */
export type CoordinatedContainer = Container | string | { readonly address: string };

/** Of those that are anything `connect` checks them. */
const OPTIONS: Readonly<Record<keyof CoordinateOptions, OptionKind>> = {
  timeoutMs: STEP_TIMEOUT,
  codec: OPTION.any,
  extraSerializers: OPTION.any,
  tls: OPTION.any,
  dangerouslyAllowPlaintext: OPTION.flag,
  credentials: OPTION.any,
  limits: OPTION.any,
  network: OPTION.any,
};
/** Rounds that follow each other without a pause. */
const EAGER_ROUNDS = 4;
const LONGEST_PAUSE_MS = 32;
/** How long a member has to say what it is busy with. */
const REPORT_TIMEOUT_MS = 1000;

/**
 * Drives the `ExternalClock`s of several containers, made with `coordinated: true`, as one: no message among them is handled at
 * another time than it was sent at. Nobody else sets those clocks meanwhile.
 *
 * Rejects with `INVALID_ARGUMENT` for what is no such container, or twice the same, and `UNAVAILABLE` where one can't be reached or
 * has a coordinator already.
 */
export async function coordinate(
  members: Iterable<CoordinatedContainer>,
  options: CoordinateOptions = {},
): Promise<Coordinator> {
  checkOptions("coordinate", options, OPTIONS);
  const { timeoutMs = STEP_TIMEOUT_MS, ...others } = options;
  const joined: CoordinatedMember[] = [];
  try {
    const roots = new Map<string, string>();
    let time = -Infinity;
    for (const given of members) {
      const member = await memberOf(given, others);
      joined.push(member);
      const membership = await member.join().catch((error: unknown) => Promise.reject(failureOf(member.name, error)));
      if (roots.has(membership.root))
        throw invalidArgument(`${member.name} and ${roots.get(membership.root)} are the same container`);
      roots.set(membership.root, member.name);
      time = Math.max(time, membership.time);
    }
    if (joined.length === 0) throw invalidArgument("coordinate takes one container at the least");
    await Promise.all(joined.map((member) => member.begin([...roots.keys()])));
    return new Coordinator(joined, time, timeoutMs);
  } catch (error) {
    await Promise.all(joined.map((member) => member.close()));
    throw error;
  }
}

async function memberOf(given: CoordinatedContainer, options: MemberConnectOptions): Promise<CoordinatedMember> {
  if (given instanceof Container) {
    const clock = Container.drivenClockOf(given);
    if (clock !== undefined) return localMember(given.address, clock);
    throw invalidArgument(`${given.address} can't be driven: its container has no \`coordinated: true\``);
  }
  const address: unknown = typeof given === "string" ? given : (given as { address?: unknown } | null)?.address;
  if (typeof address !== "string") throw invalidArgument("a member is a Container, an address or a launched container");
  try {
    return await remoteMember(address, options);
  } catch (error) {
    throw failureOf(address, error);
  }
}

/** The one time of several containers. Made by `coordinate`. */
export class Coordinator implements AsyncDisposable {
  readonly #members: readonly CoordinatedMember[];
  readonly #timeoutMs: number;
  #time: number;
  /** The last one at which nothing was under way; undefined where something may be. */
  #rest: Snapshot | undefined;
  #underWay: number | undefined;
  #closed = false;

  /** @internal */
  constructor(members: readonly CoordinatedMember[], time: number, timeoutMs: number) {
    this.#members = members;
    this.#time = time;
    this.#timeoutMs = timeoutMs;
  }

  /** Seconds, as last set on all clocks; at first the latest of theirs. */
  get time(): number {
    return this.#time;
  }

  /**
   * Sets all clocks to `t`, then fires what is due on them, and resolves when nothing that follows from it is under way: every message
   * has been handled, no work that a clock's `busy` was told of runs, and each process has had its turns. What sleeps on a clock
   * isn't waited for.
   *
   * Rejects with `INVALID_ARGUMENT`, without having changed anything, for a `t` that isn't later than `time`, and while another step is
   * under way; `UNAVAILABLE` where a member is gone, which the message names; `DEADLINE_EXCEEDED` after `timeoutMs`, with who is
   * busy and what is in flight: the next step then waits for that first. What callbacks have thrown is told last, when all is
   * over: as a `REMOTE_ERROR` that names the members and has the errors as its cause.
   */
  async setTime(t: number): Promise<void> {
    const failures: MemberFailure[] = [];
    await this.#exclusively(t, () => this.#step(t, failures));
    throwAll(failures, t);
  }

  /**
   * Takes all clocks to `t`, event by event: to each moment at which something is due on any of them, in order, as `setTime` does.
   * Rejects as that does; what callbacks throw doesn't stop it, and is told at the end.
   */
  async advanceTo(t: number): Promise<void> {
    const failures: MemberFailure[] = [];
    await this.#exclusively(t, async () => {
      this.#rest ??= await this.#within(t, (signal) => this.#settle(undefined, signal));
      while (this.#time < t) await this.#step(Math.min(this.#rest.nextDueAfter(this.#time) ?? t, t), failures);
    });
    throwAll(failures, t);
  }

  /** When the next thing is due on any of the clocks, as of the last step; undefined: nothing is. Waits until nothing is under way. */
  async nextDue(): Promise<number | undefined> {
    await this.#exclusively(Infinity, async () => {
      this.#rest = await this.#within(this.#time, (signal) => this.#settle(undefined, signal));
    });
    return this.#rest?.nextDueAfter(this.#time);
  }

  /** Lets the clocks go: they stay at their time, and another coordinator may drive them. Once; never rejects. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await Promise.allSettled(this.#members.map((member) => member.close()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #exclusively(t: number, work: () => Promise<unknown>): Promise<void> {
    if (t !== Infinity) requireSeconds(t, "t");
    if (this.#closed) throw new ColloquyError("UNAVAILABLE", "the coordinator is closed");
    if (t <= this.#time) throw invalidArgument(`Time must be > ${this.#time} but is ${t}`);
    if (this.#underWay !== undefined)
      throw invalidArgument(`the clocks can't be set to ${t} while they are on their way to ${this.#underWay}`);
    this.#underWay = t;
    try {
      await work();
    } finally {
      this.#underWay = undefined;
    }
  }

  async #step(t: number, failures: MemberFailure[]): Promise<void> {
    await this.#within(t, async (signal) => {
      const before = (this.#rest ??= await this.#settle(undefined, signal));
      this.#rest = undefined;
      await this.#all((member) => member.prepare(t, signal));
      this.#time = t;
      const reports = await this.#all((member) => member.fire(signal));
      for (const [index, report] of reports.entries()) {
        for (const error of report.failures) failures.push({ member: this.#members[index]!.name, error });
      }
      this.#rest = await this.#settle({ before, reports }, signal);
    });
  }

  /**
   * Rounds of reports until two that follow each other are the same, and balanced. The reports of a step that nobody has sent anything
   * in are the same as the last ones before it, and one round is enough.
   */
  async #settle(
    begun: { readonly before: Snapshot; readonly reports: readonly ActivityReport[] } | undefined,
    signal: AbortSignal,
  ): Promise<Snapshot> {
    let previous = begun?.before;
    let reports = begun?.reports ?? (await this.#all((member) => member.settle([], signal)));
    for (let round = 0; ; round++) {
      const current = this.#snapshot(reports);
      if (current.isBalanced && previous !== undefined && current.hasSameCounts(previous)) return current;
      if (round >= EAGER_ROUNDS) await pause(Math.min(2 ** (round - EAGER_ROUNDS), LONGEST_PAUSE_MS));
      const expectations = current.expectations();
      previous = current;
      reports = await this.#all((member, index) => member.settle(expectations[index]!, signal));
    }
  }

  #snapshot(reports: readonly ActivityReport[]): Snapshot {
    return new Snapshot(
      this.#members.map(({ name }) => name),
      reports,
    );
  }

  /** Asks all members at once. */
  async #all<T>(ask: (member: CoordinatedMember, index: number) => Promise<T>): Promise<T[]> {
    return Promise.all(
      this.#members.map(async (member, index) => {
        try {
          return await ask(member, index);
        } catch (error) {
          throw failureOf(member.name, error);
        }
      }),
    );
  }

  /** Whatever ends `work`, nobody is asked any more then. */
  async #within<T>(t: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const abort = new AbortController();
    let expired = false;
    const expire = (): void => {
      expired = true;
      abort.abort();
    };
    const timer = this.#timeoutMs === Infinity ? undefined : setNodeTimeout(expire, timerMs(this.#timeoutMs));
    try {
      return await work(abort.signal);
    } catch (error) {
      throw expired ? await this.#tooLate(t) : error;
    } finally {
      clearTimeout(timer);
      abort.abort();
    }
  }

  async #tooLate(t: number): Promise<ColloquyError> {
    const signal = AbortSignal.timeout(REPORT_TIMEOUT_MS);
    const asked = await Promise.allSettled(this.#members.map((member) => member.report(signal)));
    const reports = asked.map((answer) => (answer.status === "fulfilled" ? answer.value : undefined));
    const reasons = reports.flatMap((report, index) => {
      const { name } = this.#members[index]!;
      return report === undefined ? [`${name} doesn't answer`] : report.busy.map((what) => `${name} is ${what}`);
    });
    const known = reports.map((report) => report ?? { nextDue: null, busy: [], links: [] });
    if (reports.every((report) => report !== undefined)) reasons.push(...this.#snapshot(known).inFlight());
    const why = reasons.length === 0 ? "messages go on and on" : reasons.join("; ");
    const what = `the step to ${t} wasn't over within ${this.#timeoutMs} ms (timeoutMs)`;
    return new ColloquyError("DEADLINE_EXCEEDED", `${what}: ${why}`);
  }
}

interface MemberFailure {
  readonly member: string;
  readonly error: unknown;
}

function throwAll(failures: readonly MemberFailure[], t: number): void {
  if (failures.length === 0) return;
  const texts = failures.map(({ member, error }) => `${member}: ${messageOf(error)}`);
  const errors = failures.map(({ error }) => error);
  const cause = errors.length === 1 ? errors[0] : new AggregateError(errors, "several callbacks threw");
  const message = `callbacks of clocks threw on the way to time ${t}: ${texts.join("; ")}`;
  throw new ColloquyError("REMOTE_ERROR", message, { cause, executed: "yes" });
}

async function pause(milliseconds: number): Promise<void> {
  await new Promise((resolve) => setNodeTimeout(resolve, milliseconds));
}
