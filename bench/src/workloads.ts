import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { samplePayload } from "./payload.ts";
import { afterCallback, bump, type PeerClient } from "./peer.ts";

/** A call to repeat: `start` makes one, `isRight` is a cheap look at what came back. */
export interface Operation {
  start(): Promise<unknown>;
  isRight(result: unknown): boolean;
}

/** What a cell measures. */
export interface Workload {
  readonly name: string;
  readonly title: string;
  /** `latency`: microseconds a call, less is better; `rate`: calls a second, more is better. */
  readonly kind: "latency" | "rate";
  readonly inFlight: number;
  /** Whether client and server share one CPU, so that no wake-up of another one is measured. */
  readonly isPinned: boolean;
  /** Rejects when the peer's results are wrong; runs once before the clock does. */
  check(client: PeerClient): Promise<void>;
  operation(client: PeerClient): Operation;
}

const overlapping = 64;

async function checkAdd(client: PeerClient): Promise<void> {
  strictEqual(await client.add(3, 4), 7);
  strictEqual(await client.add(-1.5, 70_000), 69_998.5);
  const sums = await Promise.all(Array.from({ length: overlapping }, (_, n) => client.add(n, 1000)));
  deepStrictEqual(
    sums,
    Array.from({ length: overlapping }, (_, n) => n + 1000),
  );
}

function addOperation(client: PeerClient): Operation {
  return { start: () => client.add(3, 4), isRight: (sum) => sum === 7 };
}

async function checkEcho(client: PeerClient): Promise<void> {
  const payloads = Array.from({ length: overlapping }, (_, n) => ({ ...samplePayload(), id: n }));
  deepStrictEqual(await Promise.all(payloads.map((payload) => client.echo(payload))), payloads);
}

function echoOperation(client: PeerClient): Operation {
  const payload = samplePayload();
  return {
    start: () => client.echo(payload),
    isRight: (echoed) => echoed !== payload && (echoed as typeof payload).comment === payload.comment,
  };
}

async function checkCallback(client: PeerClient): Promise<void> {
  const numbers = Array.from({ length: overlapping }, (_, n) => n);
  const answers = await Promise.all(numbers.map((n) => client.callback(n)));
  deepStrictEqual(
    answers,
    numbers.map((n) => afterCallback(bump(n))),
  );
}

function callbackOperation(client: PeerClient): Operation {
  const expected = afterCallback(bump(20));
  return { start: () => client.callback(20), isRight: (answer) => answer === expected };
}

/** Every workload, in the order of the report. */
export const workloads: readonly Workload[] = [
  {
    name: "W1",
    title: "`add(3, 4)`, one at a time, both processes on one CPU where `taskset` is there",
    kind: "latency",
    inFlight: 1,
    isPinned: true,
    check: checkAdd,
    operation: addOperation,
  },
  {
    name: "W2",
    title: "`add(3, 4)`, 256 in flight over one connection",
    kind: "rate",
    inFlight: 256,
    isPinned: false,
    check: checkAdd,
    operation: addOperation,
  },
  {
    name: "W3",
    title: "echo of an object of 931 bytes, 64 in flight",
    kind: "rate",
    inFlight: 64,
    isPinned: false,
    check: checkEcho,
    operation: echoOperation,
  },
  {
    name: "W5",
    title: "a callback into the client inside each call, 64 in flight",
    kind: "rate",
    inFlight: 64,
    isPinned: false,
    check: checkCallback,
    operation: callbackOperation,
  },
];
