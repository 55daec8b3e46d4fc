import { ColloquyError, Deferred, NO_KWARGS, readException, rejection } from "@colloquy/core";
import type { Endpoint, PendingCall } from "@colloquy/core";
import { LOOKS_PER_INTERVAL, startBeating, stopBeating } from "./pulse.ts";
import type { Beating } from "./pulse.ts";

const PING_PATH = "$/ping";
/** A step of the time for an answer: one that a busy event loop makes late counts as one all the same. */
const LONGEST_STEP_MS = 1000;
const MIN_STEP_COUNT = 4;
/** Turns in which the event loop reads what has come, before a peer is given up. */
const LAST_TURNS = 2;

/** Measures round trips to a peer that said hello, and gives up a connection on which the peer shows no sign of life. */
export class Heartbeat implements Beating {
  /** The latest round trip in milliseconds; undefined before the first. */
  roundTripMs: number | undefined;
  readonly #endpoint: Endpoint;
  /** As they were at the latest look that found more than before. */
  #receivedBytes = 0;
  /** Looks since then. */
  #quietLooks = 0;
  /** A vital ping has no answer yet. */
  #isProbing = false;
  /** Runs while an answer is due. */
  #timer: NodeJS.Timeout | undefined;

  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint;
    const { pingIntervalMs } = endpoint.limits;
    if (pingIntervalMs !== Infinity) startBeating(this, pingIntervalMs);
  }

  /** The connection has ended. */
  stop(): void {
    this.#heard();
    stopBeating(this, this.#endpoint.limits.pingIntervalMs);
  }

  /** Resolves with the milliseconds of a round trip. Rejects as calls do; a vital one is sent where calls are refused, too. */
  ping(vital = false): Promise<number> {
    const answer = new Deferred<number>();
    this.#send(new Ping(this, vital, answer));
    return answer.promise;
  }

  /** What the last bytes came after lies between two looks: the ping leaves early rather than late. */
  look(): void {
    // One may end while it is greeted.
    if (this.#endpoint.ended) return this.stop();
    // What this side closes ends within the grace time.
    if (this.#endpoint.draining) return;
    const { receivedBytes } = this.#endpoint.stats();
    if (receivedBytes !== this.#receivedBytes) {
      this.#receivedBytes = receivedBytes;
      this.#quietLooks = 0;
    } else if (++this.#quietLooks >= LOOKS_PER_INTERVAL - 1 && this.#timer === undefined) this.#probe();
  }

  onAnswer(milliseconds: number): void {
    this.roundTripMs = milliseconds;
  }

  #probe(): void {
    this.#quietLooks = 0;
    const { pingTimeoutMs } = this.#endpoint.limits;
    if (pingTimeoutMs !== Infinity) {
      const stepCount = Math.max(MIN_STEP_COUNT, Math.ceil(pingTimeoutMs / LONGEST_STEP_MS));
      this.#await(this.#receivedBytes, pingTimeoutMs / stepCount, stepCount);
    }
    // Where as many calls wait as may, nothing else would ever tell that there is no peer to answer them. One ping of that kind at a
    // time: a peer that answers none must not have them gather here.
    const vital = !this.#isProbing;
    this.#isProbing = true;
    const onAnswered = (): void => {
      if (vital) this.#isProbing = false;
      this.#heard();
    };
    this.#send(new Ping(this, vital, undefined, onAnswered));
  }

  #send(call: Ping): void {
    this.#endpoint.request(call, [PING_PATH, [], NO_KWARGS]);
  }

  #heard(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #await(before: number, stepMs: number, steps: number): void {
    this.#timer = setTimeout(() => {
      const { receivedBytes, queuedBytes, waiting } = this.#endpoint.stats();
      const { isPaused, unhandledBytes } = this.#endpoint.reading;
      if (receivedBytes !== before) return this.#heard();
      // While the ping may not have left the time is that of `writeStallMs`; while this side doesn't read it can't know.
      const cannotTell = queuedBytes > 0 || waiting > 0 || isPaused || unhandledBytes > 0;
      const left = cannotTell ? steps : steps - 1;
      if (left > 0) this.#await(before, stepMs, left);
      else this.#giveUp(before, LAST_TURNS);
    }, stepMs).unref();
  }

  /** A busy event loop runs late timers before it reads what has come in time. */
  #giveUp(before: number, turns: number): void {
    setImmediate(() => {
      if (this.#endpoint.ended) return;
      if (this.#endpoint.stats().receivedBytes !== before) return this.#heard();
      if (turns > 1) return this.#giveUp(before, turns - 1);
      const { remoteAddress, limits } = this.#endpoint;
      const reason = `no sign of life from ${remoteAddress} for ${limits.pingTimeoutMs} ms after a ping (pingTimeoutMs)`;
      this.#endpoint.destroy(new ColloquyError("CONNECTION_LOST", reason, { limit: "pingTimeoutMs" }));
    });
  }
}

/** Rejects with `UNSUPPORTED` where there is no heartbeat: the peer is plain. */
export async function pingOf(heartbeat: Heartbeat | undefined, address: string): Promise<number> {
  if (heartbeat !== undefined) return heartbeat.ping();
  throw new ColloquyError("UNSUPPORTED", `${address} has said no hello: it knows no ping`);
}

/** A ping that waits for its answer. */
class Ping implements PendingCall {
  id = -1;
  readonly vital: boolean;
  readonly #start: number = performance.now();
  readonly #heartbeat: Heartbeat;
  readonly #answer: Deferred<number> | undefined;
  readonly #onAnswered: (() => void) | undefined;

  constructor(heartbeat: Heartbeat, vital: boolean, answer: Deferred<number> | undefined, onAnswered?: () => void) {
    this.vital = vital;
    this.#heartbeat = heartbeat;
    this.#answer = answer;
    this.#onAnswered = onAnswered;
  }

  onResult(): void {
    const milliseconds = performance.now() - this.#start;
    this.#heartbeat.onAnswer(milliseconds);
    this.#onAnswered?.();
    this.#answer?.resolve(milliseconds);
  }

  /** A refusal is a sign of life, too. */
  onException(content: unknown): void {
    this.#onAnswered?.();
    this.#answer?.resolve(rejection(() => readException(content)));
  }

  onFailure(error: ColloquyError): void {
    this.#answer?.resolve(rejection(() => error.restated()));
  }
}
