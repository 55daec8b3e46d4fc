import { deepStrictEqual, strictEqual } from "node:assert/strict";
import type { Figure, Kind } from "./figures.ts";
import { measureLoadedLatency } from "./loaded-latency.ts";
import { measureAccept, measureMemory, measureSpread, type Stage } from "./many-connections.ts";
import { measureLatency, measureRate, type Measurement, type Operation } from "./measure.ts";
import { samplePayload } from "./payload.ts";
import { afterCallback, bump, type PeerClient } from "./peer.ts";

/** What a cell measures. */
export interface Workload {
  readonly name: string;
  /** The kind of its first figure, which is the value of its measurements. */
  readonly kind: Kind;
  readonly inFlight: number;
  /** Whether client and server share one CPU, so that no wake-up of another one is measured. */
  readonly isPinned?: boolean;
  /** Options of Node for both processes. */
  readonly nodeOptions?: readonly string[];
  readonly figures: readonly Figure[];
  /** Rejects when the peer's results are wrong; runs once before the clock does. */
  check(client: PeerClient): Promise<void>;
  run(stage: Stage): Promise<Measurement>;
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

/** A figure that stands in `more` of a measurement under `key`, or is its value. */
function figure(name: string, kind: Kind, unit: string, title: string, key?: string): Figure {
  return { name, title, kind, unit, of: ({ value, more }) => (key === undefined ? value : more?.[key]) };
}

/** A workload that repeats one call over one connection and finds calls a second. */
function repeated(
  name: string,
  title: string,
  inFlight: number,
  check: (client: PeerClient) => Promise<void>,
  operation: (client: PeerClient) => Operation,
): Workload {
  return {
    name,
    kind: "rate",
    inFlight,
    figures: [figure(name, "rate", "calls/s", title)],
    check,
    run: ({ client, size }) => measureRate(operation(client), inFlight, size),
  };
}

const oneAtATime: Workload = {
  name: "W1",
  kind: "latency",
  inFlight: 1,
  isPinned: true,
  figures: [
    figure("W1", "latency", "us", "`add(3, 4)`, one at a time, both processes on one CPU where `taskset` is there"),
  ],
  check: checkAdd,
  run: ({ client, size }) => measureLatency(addOperation(client), size),
};

const memory: Workload = {
  name: "W6",
  kind: "bytes",
  inFlight: 1,
  nodeOptions: ["--expose-gc"],
  figures: [
    figure("W6 server", "bytes", "bytes", "resident memory of the server per idle connection"),
    figure("W6 client", "bytes", "bytes", "resident memory of the client per idle connection", "client"),
  ],
  check: checkAdd,
  run: measureMemory,
};

const accept: Workload = {
  name: "W7",
  kind: "rate",
  inFlight: 50,
  figures: [figure("W7", "rate", "connections/s", "connections that are opened and make one call, 50 at once")],
  check: checkAdd,
  run: measureAccept,
};

const spread: Workload = {
  name: "W8",
  kind: "rate",
  inFlight: 256,
  figures: [
    figure("W8", "rate", "calls/s", "`add(3, 4)`, 256 in flight, over 1,000 connections (or `--connections`) in turn"),
  ],
  check: checkAdd,
  run: (stage) => measureSpread(stage, spread.inFlight),
};

const loaded: Workload = {
  name: "W9",
  kind: "latency",
  inFlight: 256,
  figures: [
    figure(
      "W9",
      "latency",
      "us",
      "`add(3, 4)`, due at even distances at half the top rate, median from when it was due",
    ),
    figure("W9 p99.9", "latency", "us", "the same, 99.9th percentile", "p999"),
    figure("W9 tail", "factor", "x", "the same, 99.9th percentile by median", "tail"),
  ],
  check: checkAdd,
  run: ({ client, size }) => measureLoadedLatency(addOperation(client), loaded.inFlight, size),
};

/** Every workload, in the order of the report. */
export const workloads: readonly Workload[] = [
  oneAtATime,
  repeated("W2", "`add(3, 4)`, 256 in flight over one connection", 256, checkAdd, addOperation),
  repeated("W3", "echo of an object of 931 bytes, 64 in flight", 64, checkEcho, echoOperation),
  repeated("W5", "a callback into the client inside each call, 64 in flight", 64, checkCallback, callbackOperation),
  memory,
  accept,
  spread,
  loaded,
];
