import { FrameCutter } from "../network/frame-edits.ts";
import { Ledger } from "../ledger.ts";
import { Talker, converse } from "./conversation.ts";
import { Stage } from "./stage.ts";

/** Of longer frames the middle has places in steps. */
const wholeFrameBytes = 2048;
const edgeBytes = 64;
const middleStepBytes = 997;

/** Behind so many bytes of one direction. */
export interface Place {
  readonly lane: "up" | "down";
  readonly after: number;
}

/** Every byte of a conversation as it was once, but for the middle of its large frames. */
export async function recordedPlaces(): Promise<readonly Place[]> {
  const talker = new Talker();
  const recorded = { up: new FrameCutter(), down: new FrameCutter() };
  const places: Place[] = [];
  const passed = { up: 0, down: 0 };
  await using stage = await Stage.open(talker, {}, () => ({
    up: { onBytes: see("up") },
    down: { onBytes: see("down") },
  }));
  function see(lane: "up" | "down"): (bytes: Buffer) => void {
    return (bytes) => {
      for (const { length } of recorded[lane].push(bytes)) {
        for (const place of placesIn(length)) places.push({ lane, after: passed[lane] + place });
        passed[lane] += length;
      }
    };
  }
  const ledger = new Ledger([]);
  await converse(stage.proxy.address, talker, ledger);
  if (ledger.wrongCount > 0) throw new Error(`without a fault: ${ledger.wrong.join(", ")}`);
  return places;
}

function* placesIn(length: number): Generator<number, void, undefined> {
  for (let place = 1; place <= length; place++) {
    const isEdge = length <= wholeFrameBytes || place <= edgeBytes || place > length - edgeBytes;
    if (isEdge || place % middleStepBytes === 0) yield place;
  }
}
