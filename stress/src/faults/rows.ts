import { manyReferences, slowConsumers } from "./bench-rows.ts";
import { bombsEverywhere } from "./bombs.ts";
import { callChains } from "./chains.ts";
import { cutsEverywhere, resets } from "./cuts.ts";
import { corruptedBytes, editedFrames } from "./frames.ts";
import { floods } from "./floods.ts";
import { littleMemory, memoryBar } from "./little-memory.ts";
import { blackHoles, cutCables, detectionBar, frozenPeers } from "./lost-peers.ts";
import { soaked } from "./soaked.ts";
import { stalls } from "./stalls.ts";
import { starvedProcesses } from "./starved.ts";
import { wrappedIds } from "./id-wrap.ts";
import { oldReferences } from "./old-references.ts";
import { kills, shutdowns } from "./kills.ts";
import { queueBar, slowReaders } from "./queues.ts";
import type { Row } from "./row.ts";

/** In the order in which they run. */
export const rows: readonly Row[] = [
  { name: "F1", fault: "peer killed in the middle of calls", bar: "settled: called, p99: 1 s, wrong: 0", run: kills },
  { name: "F2", fault: "bytes vanish in a proxy", bar: detectionBar, run: blackHoles },
  { name: "F2-cable", fault: "packets vanish between namespaces", bar: detectionBar, run: cutCables },
  { name: "F3", fault: "connection reset at a random byte", bar: "wrong: 0", run: resets },
  { name: "F4", fault: "connection cut at every byte of a conversation", bar: "wrong: 0", run: cutsEverywhere },
  {
    name: "frames",
    fault: "frame dropped, doubled or swapped with the next",
    bar: "wrong: 0, all settle",
    run: editedFrames,
  },
  { name: "bits", fault: "a bit changed on the way", bar: "all settle, no crash", run: corruptedBytes },
  { name: "F6", fault: "peer frozen by SIGSTOP", bar: detectionBar, run: frozenPeers },
  { name: "F7", fault: "own event loop stalled", bar: "false timeouts, false deaths: 0", run: stalls },
  { name: "F8", fault: "peer that reads nothing, then slowly", bar: queueBar, run: slowReaders },
  { name: "F9", fault: "slow reader of a stream beside small calls", bar: "p99: 2 x idle", run: slowConsumers },
  { name: "F11", fault: "old references after a reconnect", bar: "wrong: 0, each refused", run: oldReferences },
  { name: "F12", fault: "both sides flood each other, sockets of 4 KiB", bar: "all calls right", run: floods },
  { name: "F14", fault: "numbers of calls wrap around", bar: "wrong pairings: 0", run: wrappedIds },
  {
    name: "F17",
    fault: "10^6 references, not released by hand and released",
    bar: "8 bytes each",
    run: manyReferences,
  },
  { name: "F18", fault: "calls that call back, rings of agents", bar: "result or failure in 1 s", run: callChains },
  {
    name: "F20",
    fault: "serializers and methods that throw, or never settle",
    bar: "one end each, leaks: 0",
    run: bombsEverywhere,
  },
  { name: "F22", fault: "server that closes under load", bar: "settled: called, executed right", run: shutdowns },
  { name: "F25", fault: "no descriptors left (ulimit -n)", bar: "no crash, recovers", run: starvedProcesses },
  { name: "F25-memory", fault: "server with little memory (ulimit -d)", bar: memoryBar, run: littleMemory },
  { name: "F28", fault: "soak with random faults", bar: "wrong: 0, nothing grows", run: soaked },
];
