import { formatQuantity } from "@colloquy/bench/markdown-table";
import { Ledger } from "../ledger.ts";
import type { LanePlan } from "../network/lane.ts";
import { Talker, converse } from "./conversation.ts";
import { recordedPlaces } from "./places.ts";
import { shown, type Outcome, type Size } from "./row.ts";
import { Stage, until } from "./stage.ts";

const timeoutMs = 150;
const settleMs = 10_000;
const atOnce = 16;
const mostFrames = 24;
const smokeStep = 79;
const codes = [
  "CONNECTION_LOST",
  "UNAVAILABLE",
  "DEADLINE_EXCEEDED",
  "CANCELLED",
  "PROTOCOL_ERROR",
  // What bytes that say something else may come to: other paths, types, arguments, handles.
  "SERIALIZATION_ERROR",
  "INVALID_ARGUMENT",
  "NOT_FOUND",
  "NOT_EXPOSED",
  "REMOTE_ERROR",
  "REFERENCE_RELEASED",
  "RESOURCE_EXHAUSTED",
  "UNSUPPORTED",
  "DEPENDENCY_FAILED",
  "RESULT_NOT_KEPT",
  "UNAUTHENTICATED",
] as const;

interface Trouble {
  readonly lane: "up" | "down";
  readonly plan: LanePlan;
}

/** Drops, doubles, or swaps with the next one, each frame of a conversation. */
export async function editedFrames(size: Size): Promise<Outcome> {
  const troubles: Trouble[] = [];
  for (const kind of ["drop", "double", "swap"] as const)
    for (const lane of ["up", "down"] as const)
      for (let index = 0; index < mostFrames; index++) troubles.push({ lane, plan: { frame: { kind, index } } });
  const ledger = new Ledger(codes);
  const chosen = size === "full" ? troubles : troubles.filter((_, at) => at % 12 === 0);
  await conversations(chosen, ledger);
  return outcomeOf(ledger, chosen.length, "frames edited");
}

/**
 * Changes one bit of each byte of a conversation, but for the middle of its large frames. A frame has no checksum, so that a number that has become another one is a wrong result
 * that nobody can see: those are counted, and no fault.
 */
export async function corruptedBytes(size: Size): Promise<Outcome> {
  const places = await recordedPlaces();
  const step = size === "full" ? 1 : smokeStep;
  const chosen = places.filter((_, index) => index % step === 0);
  const troubles = chosen.map(({ lane, after }): Trouble => {
    const corrupt = { at: after - 1, mask: 1 << Math.floor(Math.random() * 8) };
    return { lane, plan: { corrupt } };
  });
  const count = troubles.length;
  const ledger = new Ledger(codes);
  await conversations(troubles, ledger);
  const isUnseen = (text: string): boolean =>
    text.includes("has a wrong result") || text.includes("says that it didn't");
  const unseen = ledger.wrong.filter(isUnseen).length;
  const figure = `${formatQuantity(count)} bits changed, ${summary(ledger)}, ${unseen} wrong results that nothing can tell`;
  return shown(
    figure,
    ledger.open === 0,
    ledger.wrong.filter((text) => !isUnseen(text)),
  );
}

async function conversations(troubles: readonly Trouble[], ledger: Ledger): Promise<void> {
  const left = [...troubles];
  const worker = async (): Promise<void> => {
    const talker = new Talker();
    let trouble: Trouble | undefined;
    const limits = { pingIntervalMs: timeoutMs, pingTimeoutMs: timeoutMs, helloTimeoutMs: 1000, closeGraceMs: 200 };
    const planOf = (): object => (trouble === undefined ? {} : { [trouble.lane]: trouble.plan });
    await using stage = await Stage.open(talker, { limits }, planOf);
    for (trouble = left.shift(); trouble !== undefined; trouble = left.shift()) {
      const own = new Ledger(codes);
      const isOver = { now: false };
      void converse(stage.proxy.address, talker, own, timeoutMs).then(() => (isOver.now = true));
      if (!(await until(() => isOver.now, settleMs))) own.note("a conversation did not end");
      if (!(await until(() => stage.server.connections.size === 0))) own.note("the server keeps a connection");
      ledger.add(own, JSON.stringify(trouble));
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

function outcomeOf(ledger: Ledger, count: number, what: string): Outcome {
  return shown(`${count} ${what}, ${summary(ledger)}, ${ledger.wrongCount} wrong`, ledger.open === 0, ledger.wrong);
}

function summary({ calls, settled, succeeded }: Ledger): string {
  return `${formatQuantity(calls)} calls, ${formatQuantity(settled)} settled, ${formatQuantity(settled - succeeded)} failed`;
}
