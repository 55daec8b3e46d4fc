import { formatQuantity } from "@colloquy/bench/markdown-table";
import type { LinkPlan } from "../network/byte-proxy.ts";
import type { CutKind } from "../network/lane.ts";
import { Ledger } from "../ledger.ts";
import { Talker, converse } from "./conversation.ts";
import { recordedPlaces, type Place } from "./places.ts";
import { shown, type Outcome, type Size } from "./row.ts";
import { Stage, until } from "./stage.ts";

const codes = ["CONNECTION_LOST", "UNAVAILABLE"] as const;
const settleMs = 10_000;
const smokeStep = 211;
const randomCutCount = 300;
const atOnce = 4;

/** Cuts a conversation at every byte of either direction, in order. */
export async function cutsEverywhere(size: Size): Promise<Outcome> {
  const places = await recordedPlaces();
  return cutAt(size === "full" ? places : places.filter((_, index) => index % smokeStep === 0), "FIN");
}

/** Resets a connection at random bytes of a conversation. */
export async function resets(size: Size): Promise<Outcome> {
  const places = await recordedPlaces();
  const count = size === "full" ? randomCutCount : 10;
  const drawn = Array.from({ length: count }, () => places[Math.floor(Math.random() * places.length)]!);
  return cutAt(drawn, "RST");
}

async function cutAt(places: readonly Place[], by: CutKind): Promise<Outcome> {
  const ledger = new Ledger(codes);
  const left = [...places];
  const worker = async (): Promise<void> => {
    const talker = new Talker();
    let plan: LinkPlan = {};
    await using stage = await Stage.open(talker, {}, () => plan);
    for (let place = left.shift(); place !== undefined; place = left.shift()) {
      const own = new Ledger(codes);
      plan = { [place.lane]: { cut: { after: place.after, by } } };
      const isOver = { now: false };
      void converse(stage.proxy.address, talker, own).then(() => (isOver.now = true));
      if (!(await until(() => isOver.now, settleMs))) own.note("a conversation did not end");
      if (!(await until(() => stage.server.connections.size === 0))) own.note("the server keeps a connection");
      ledger.add(own, `${place.lane}, behind ${place.after} bytes`);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  if (ledger.open > 0) ledger.note(`${ledger.open} calls have not settled`);
  const figure = `${formatQuantity(places.length)} cuts, ${formatQuantity(ledger.calls)} calls, ${formatQuantity(ledger.calls - ledger.succeeded)} failed, ${ledger.wrongCount} wrong`;
  return shown(figure, ledger.succeeded > 0, ledger.wrong);
}
