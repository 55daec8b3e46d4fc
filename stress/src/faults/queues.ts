import { Service, expose, type Connection } from "@colloquy/rpc";
import { setTimeout as sleep } from "node:timers/promises";
import { formatQuantity } from "@colloquy/bench/markdown-table";
import { shown, type Outcome, type Size } from "./row.ts";
import { Stage, until } from "./stage.ts";

const limits = { maxQueuedBytes: 1_048_576, writeStallMs: 5000 };
const bytes = 200_000;
/** Of a message, beyond the text in it. */
const mostOverhead = 64;
const mostBytes = limits.maxQueuedBytes + bytes + mostOverhead;
const stallMs = 1500;
const bytesPerSecond = 40_000_000;
const sliceBytes = 65_536;

export const queueBar = `at most ${formatQuantity(mostBytes)} bytes`;

/** Sends large answers, and looks at its queue each time. */
class Producer extends Service {
  peak = 0;
  connection: Connection | undefined;
  readonly #text = "x".repeat(bytes);

  look(): void {
    this.peak = Math.max(this.peak, this.connection?.stats().queuedBytes ?? 0);
  }

  @expose async get(): Promise<string> {
    setImmediate(() => this.look());
    return this.#text;
  }

  @expose put(text: string): number {
    return text.length;
  }
}

/** A peer reads nothing for a while, and then slowly: what waits for it is bounded on both sides, and all of it arrives. */
export async function slowReaders(size: Size): Promise<Outcome> {
  const count = size === "full" ? 200 : 80;
  const producer = new Producer();
  const slow = { bytesPerSecond, sliceBytes };
  await using stage = await Stage.open(
    producer,
    { limits, onConnection: (connection) => (producer.connection = connection) },
    () => ({ up: slow, down: slow }),
  );
  const connection = await stage.connect<Producer>({ limits });
  await until(() => producer.connection !== undefined);
  let [peak, isOver] = [0, false];
  const look = (): void => {
    peak = Math.max(peak, connection.stats().queuedBytes);
    producer.look();
    if (!isOver) setImmediate(look);
  };
  look();
  for (const link of stage.proxy.links) link.stall();
  const text = "y".repeat(bytes);
  const calls = Array.from({ length: count }, async (_, index) =>
    index % 2 === 0 ? (await connection.remote.get()).length : connection.remote.put(text),
  );
  await sleep(stallMs);
  for (const link of stage.proxy.links) link.go();
  const right = (await Promise.all(calls)).filter((length) => length === bytes).length;
  isOver = true;
  await connection.close();
  const most = Math.max(peak, producer.peak);
  const figure = `${formatQuantity(most)} bytes queued at most, ${right} of ${count} calls right`;
  return shown(figure, right === count && most <= mostBytes && most > bytes);
}
