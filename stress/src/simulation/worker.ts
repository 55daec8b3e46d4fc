import { Agent, type EndReason } from "@colloquy/container";
import { DEFAULT_LIMITS } from "@colloquy/core";
import { expose } from "@colloquy/rpc";
import type { CallContext } from "@colloquy/rpc";
import { PLANNED } from "./ledger.ts";
import { sleepFor, type Setting } from "./party.ts";
import { POOLED } from "./production.ts";
import type { RemoteRoot } from "./remotes.ts";
import { between } from "./weather.ts";

/** A place for an agent in a container: for one life, or for several where it is restarted. */
export interface Seat {
  readonly number: number;
  /** The process of the container: another one has other seats. */
  readonly home: { readonly name: string; readonly number: number; readonly isLeaving: boolean };
  readonly isRestarted: boolean;
  /** Its id is a number of its container, which the next container gives anew; others are words of its own. */
  readonly isNumbered: boolean;
  id: string;
  /** Its first life has begun. */
  isSpawned: boolean;
  /** Of lives here that have ended, or were told to. */
  readonly ends: Set<EndReason>;
  /** The one that lives. */
  worker: Worker | undefined;
}

/** What agents of a run have in common. */
export interface AgentSetting extends Setting {
  readonly seats: readonly Seat[];
  /** Calls that agents make within calls, as long as they run: two of them may wait for each other. */
  readonly meetings: Set<Meeting>;
}

interface Meeting {
  /** Another one has run at the same time. */
  isAccompanied: boolean;
}

const LONGEST_STOP_MS = 20;

/** An agent of the workload. Its methods get the key of the call, and the number of the seat that is meant. */
export class Worker extends Agent {
  /** Nobody may reach it any more. */
  isGone = false;
  readonly seat: Seat;
  readonly #setting: AgentSetting;
  readonly #failsToStart: boolean;
  readonly #pooled: (...args: unknown[]) => unknown;

  constructor(seat: Seat, setting: AgentSetting, failsToStart: boolean) {
    super();
    this.seat = seat;
    this.#setting = setting;
    this.#failsToStart = failsToStart;
    this.#pooled = expose(
      (key: number, _owner: unknown, wanted: number, context: CallContext) => {
        const end = this.#enter(POOLED, key, context);
        if (wanted !== seat.number)
          setting.ledger.break(`call ${key} for a function of ${wanted} reached ${seat.number}`);
        end();
        return key;
      },
      { context: true },
    ) as (...args: unknown[]) => unknown;
  }

  @expose({ context: true }) plain(key: number, wanted: number, context: CallContext): number {
    this.#start("plain", key, wanted, context)();
    return key;
  }

  @expose({ context: true }) async later(
    key: number,
    wanted: number,
    ms: number,
    context: CallContext,
  ): Promise<number> {
    const end = this.#start("later", key, wanted, context);
    await sleepFor(this.#setting.time, ms);
    end();
    return key;
  }

  @expose({ context: true }) fails(key: number, wanted: number, context: CallContext): void {
    this.#start("fails", key, wanted, context)();
    throw new Error(`${PLANNED} ${key}`);
  }

  /** A function, which outlives this agent. */
  @expose({ context: true }) gives(key: number, wanted: number, context: CallContext): unknown {
    this.#start("gives", key, wanted, context)();
    return this.#pooled;
  }

  /** Calls an agent that its caller has passed. */
  @expose({ context: true }) async meets(
    key: number,
    wanted: number,
    other: object,
    seat: number,
    context: CallContext,
  ): Promise<number> {
    const end = this.#start("meets", key, wanted, context);
    // Back home it is no proxy.
    if (!(other instanceof Worker)) {
      const { plain } = other as RemoteRoot;
      const { remotes, meetings } = this.#setting;
      const meeting = { isAccompanied: meetings.size > 0 };
      for (const one of meetings) one.isAccompanied = true;
      meetings.add(meeting);
      const setup = {
        connection: context.connection,
        isUnordered: true,
        mayDeadlock: (): boolean => meeting.isAccompanied,
        // Who closes doesn't wait for what it has given up.
        mayBeLost: (): boolean => context.signal.aborted && this.#setting.seats[seat]!.home.isLeaving,
      };
      await remotes.call("plain", plain!, [seat], setup).catch(() => {});
      meetings.delete(meeting);
    }
    end();
    return key;
  }

  /** Ends it while the call runs. */
  @expose({ context: true }) async leaves(key: number, wanted: number, context: CallContext): Promise<number> {
    const end = this.#start("leaves", key, wanted, context);
    this.isGone = true;
    this.seat.ends.add("normal");
    await this.stop().catch((error: unknown) => checkEnd(this.#setting, error));
    end();
    return key;
  }

  /** Ends it as one that has failed. */
  crash(): void {
    this.isGone = true;
    this.seat.ends.add("error");
    this.fail(new Error(PLANNED));
  }

  protected override onStart(): void {
    if (this.#failsToStart) throw new Error(PLANNED);
    this.seat.worker = this;
    const { random, time } = this.#setting;
    this.task(async (signal) => {
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      if (random() < 0.5) await sleepFor(time, between(random, 1, LONGEST_STOP_MS));
    });
  }

  protected override async onStop(reason: EndReason): Promise<void> {
    this.isGone = true;
    this.seat.ends.add(reason);
    if (this.seat.worker === this) this.seat.worker = undefined;
    const { random, time } = this.#setting;
    if (random() < 0.5) await sleepFor(time, between(random, 1, LONGEST_STOP_MS));
  }

  #start(method: string, key: number, wanted: number, context: CallContext): () => void {
    const { ledger, seats } = this.#setting;
    if (this.isGone) ledger.break(`call ${key} ${method} reached an agent that has ended`);
    if (!mayReach(seats[wanted], this.seat))
      ledger.break(`call ${key} ${method} for the agent ${wanted} reached ${this.seat.number}`);
    return this.#enter(method, key, context);
  }

  #enter(method: string, key: number, { connection }: CallContext): () => void {
    return this.#setting.ledger.start(key, method, connection, DEFAULT_LIMITS.maxRunningCount);
  }
}

/** The time for it may be short where faults are. */
export function checkEnd({ plan, ledger }: AgentSetting, error: unknown): void {
  const isLate = (error as { code?: unknown }).code === "DEADLINE_EXCEEDED";
  if (plan.faultCount === 0 || !isLate) ledger.break(`an agent doesn't end: ${String(error)}`);
}

/** An address is that of whoever is there: the next container at it has its own agent with this number. */
function mayReach(wanted: Seat | undefined, reached: Seat): boolean {
  if (wanted === undefined || wanted === reached) return wanted === reached;
  if (!wanted.isNumbered || !reached.isNumbered || wanted.id !== reached.id) return false;
  return wanted.home.name === reached.home.name && wanted.home.number < reached.home.number;
}
