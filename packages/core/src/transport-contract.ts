import { ColloquyError } from "./errors.ts";
import type { Listener, Transport, TransportReceiver } from "./transport.ts";

/** How to reach the transports that are checked. */
export interface TransportHarness {
  /** Listens on an address of its own. */
  listen(onTransport: (transport: Transport) => void): Promise<Listener>;
  /** One attempt to connect. */
  connect(address: string): Promise<Transport>;
  /** Time after which something that must happen counts as not happening; default 5,000. */
  readonly patienceMs?: number;
}

const PATIENCE_MS = 5000;

/**
 * Holds a transport to what channels rely on: bytes arrive in order and once, back-pressure is told, pieces of large values are
 * their owner's again once they have left, the end is told once on both sides, what was written before `end` arrives, nothing is delivered after `destroy`.
 *
 * Rejects with an `Error` that names the rule. For the tests of a transport of one's own; it needs no test framework.
 */
export async function checkTransport(harness: TransportHarness): Promise<void> {
  await carriesBytesInOrder(harness);
  await tellsOfBackPressure(harness);
  await carriesPieces(harness);
  await keepsPiecesUntilTheyHaveLeft(harness);
  await sendsEverythingBeforeItEnds(harness);
  await endsOnceOnBothSides(harness);
  await staysQuietAfterItsEnd(harness);
  await deliversNothingOnceDestroyed(harness);
  await freesItsAddress(harness);
}

async function carriesBytesInOrder(harness: TransportHarness): Promise<void> {
  const { near, far, close } = await open(harness);
  const data = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 7) % 251));
  for (let start = 0; start < data.length; start += 7919)
    near.transport.write(Buffer.from(data.subarray(start, start + 7919)));
  far.transport.write(Buffer.from("back"));
  await until(harness, "bytes arrive", () => far.received.length === data.length && near.received.length === 4);
  if (!far.received.equals(data)) broken("bytes arrive in order and unchanged");
  if (near.received.toString() !== "back") broken("both directions are apart");
  await until(harness, "queuedBytes is 0 when all has left", () => near.transport.queuedBytes === 0);
  await close();
}

async function tellsOfBackPressure(harness: TransportHarness): Promise<void> {
  const { near, far, close } = await open(harness);
  far.transport.pause();
  const block = 1_000_000;
  let written = 0;
  // What the system takes is bounded; the rest is queued here.
  while (near.transport.write(Buffer.alloc(block)) && written < 100 * block) {
    written += block;
    await turn();
  }
  if (written >= 100 * block) broken("write returns false when bytes are queued");
  if (near.transport.queuedBytes <= 0) broken("queuedBytes counts what has not left");
  const before = near.drains;
  far.transport.resume();
  await until(harness, "onDrain follows a write that returned false", () => near.drains > before);
  await until(harness, "all arrives after resume", () => far.received.length === written + block);
  await close();
}

async function carriesPieces(harness: TransportHarness): Promise<void> {
  const { near, far, close } = await open(harness);
  const piece = Buffer.alloc(3_000_000);
  const expected: Buffer[] = [];
  for (let count = 1; count <= 3; count++) {
    const [head, before] = [Buffer.from(`head ${count}`), Buffer.from(`before ${count}`)];
    near.transport.write(Buffer.from(before));
    await until(harness, "queuedBytes is 0 when all has left", () => near.transport.queuedBytes === 0);
    let lefts = 0;
    near.transport.writePiece(head, piece.fill(count), () => lefts++);
    expected.push(before, head, Buffer.from(piece));
    await until(harness, "onLeft is called when a piece has left", () => lefts > 0);
    if (near.transport.queuedBytes > 0) broken("queuedBytes is 0 when a piece has left");
    // Its memory is its owner's again.
    piece.fill(0xee);
    await turn();
    if (lefts > 1) broken("onLeft is called once");
  }
  const data = Buffer.concat(expected);
  await until(harness, "pieces arrive", () => far.received.length === data.length);
  if (!far.received.equals(data)) broken("a piece arrives behind its head, as it was until it had left");
  await close();
}

async function keepsPiecesUntilTheyHaveLeft(harness: TransportHarness): Promise<void> {
  for (const isDestroyed of [false, true]) {
    const { near, far, close } = await open(harness);
    far.transport.pause();
    let lefts = 0;
    // More than the system takes.
    near.transport.writePiece(Buffer.from("head"), Buffer.alloc(50_000_000), () => lefts++);
    await turn();
    if (lefts > 0) broken("onLeft isn't called before a piece has left");
    if (near.transport.queuedBytes < 1_000_000) broken("queuedBytes counts what has not left of a piece");
    if (isDestroyed) near.transport.destroy();
    else far.transport.resume();
    await until(harness, "a piece leaves, or the end is told", () => (isDestroyed ? near.closes : lefts) > 0);
    await turn();
    if (isDestroyed && lefts > 0) broken("onLeft isn't called where the connection ends first");
    near.transport.end();
    near.transport.writePiece(Buffer.from("late"), Buffer.from("piece"), () => {});
    await close();
  }
}

async function sendsEverythingBeforeItEnds(harness: TransportHarness): Promise<void> {
  const { near, far, close } = await open(harness);
  far.transport.pause();
  for (let count = 0; count < 100; count++) near.transport.write(Buffer.alloc(10_000, count));
  near.transport.end();
  await turn();
  if (far.closes > 0) broken("the end waits until what was sent before is read");
  far.transport.resume();
  await until(harness, "the end arrives", () => far.closes === 1 && near.closes === 1);
  if (far.received.length !== 1_000_000) broken("what was written before end arrives");
  if (far.errors.length > 0 || near.errors.length > 0) broken("an end in order is told without an error");
  await close();
}

async function endsOnceOnBothSides(harness: TransportHarness): Promise<void> {
  for (const first of ["near", "far"] as const) {
    const { near, far, close } = await open(harness);
    const ender = first === "near" ? near : far;
    ender.transport.destroy();
    ender.transport.destroy();
    await until(harness, "both sides learn of the end", () => near.closes > 0 && far.closes > 0);
    near.transport.destroy();
    far.transport.end();
    await turn();
    await turn();
    if (near.closes !== 1 || far.closes !== 1) broken("onClose is called once");
    await close();
  }
}

async function staysQuietAfterItsEnd(harness: TransportHarness): Promise<void> {
  const { near, far, close } = await open(harness);
  near.transport.end();
  near.transport.write(Buffer.from("late"));
  await until(harness, "both sides learn of the end", () => near.closes > 0 && far.closes > 0);
  near.transport.write(Buffer.from("later"));
  near.transport.pause();
  near.transport.resume();
  await turn();
  if (far.received.length > 0) broken("what is written after end goes nowhere");
  if (near.errors.length > 0) broken("a write after end is no error");
  await close();
}

async function deliversNothingOnceDestroyed(harness: TransportHarness): Promise<void> {
  for (const atOnce of [true, false]) {
    const { near, far, close } = await open(harness);
    if (atOnce) far.onFirst = stopped;
    else far.transport.pause();
    // More than one read takes.
    near.transport.write(Buffer.alloc(500_000));
    await turn();
    if (!atOnce) stopped(far.transport);
    await until(harness, "onClose follows destroy", () => far.closes > 0 && near.closes > 0);
    far.transport.resume();
    await turn();
    if (far.chunkCount > (atOnce ? 1 : 0)) broken("nothing comes after destroy, also where it was paused");
    await close();
  }
  const others: Transport[] = [];
  const listener = await harness.listen((other) => {
    others.push(other);
    other.write(Buffer.from("early"));
  });
  const transport = await harness.connect(listener.address);
  await turn();
  transport.destroy();
  const recorder = new Recorder(transport);
  transport.open(recorder);
  await until(harness, "onClose is told where it is opened after destroy", () => recorder.closes > 0);
  await turn();
  if (recorder.chunkCount > 0) broken("nothing comes after destroy, also where it is opened then");
  for (const other of others) other.destroy();
  await listener.close();
}

/** Every step that could make a transport go on. */
function stopped(transport: Transport): void {
  transport.pause();
  transport.destroy();
  transport.resume();
}

async function freesItsAddress(harness: TransportHarness): Promise<void> {
  let isTaken = false;
  const listener = await harness.listen((transport) => {
    isTaken = true;
    transport.open(new Recorder(transport));
  });
  const transport = await harness.connect(listener.address);
  const recorder = new Recorder(transport);
  transport.open(recorder);
  await until(harness, "the listener gets the connection", () => isTaken);
  await listener.close();
  await turn();
  if (recorder.closes > 0) broken("connections stay open when their listener closes");
  transport.destroy();
  try {
    const second = await harness.connect(listener.address);
    second.destroy();
  } catch (error) {
    if (error instanceof ColloquyError && error.code === "UNAVAILABLE") return;
    throw new Error("transport: a closed address is UNAVAILABLE", { cause: error });
  }
  broken("a closed listener accepts nobody");
}

class Recorder implements TransportReceiver {
  readonly transport: Transport;
  readonly #chunks: Buffer[] = [];
  readonly errors: Error[] = [];
  /** Called with the first chunk. */
  onFirst: ((transport: Transport) => void) | undefined;
  drains = 0;
  closes = 0;
  lateChunks = 0;

  constructor(transport: Transport) {
    this.transport = transport;
  }

  get received(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  get chunkCount(): number {
    return this.#chunks.length;
  }

  onChunk(chunk: Buffer): void {
    if (this.closes > 0) this.lateChunks++;
    this.#chunks.push(Buffer.from(chunk));
    if (this.#chunks.length === 1) this.onFirst?.(this.transport);
  }

  onDrain(): void {
    this.drains++;
  }

  onClose(error: Error | undefined): void {
    this.closes++;
    if (error !== undefined) this.errors.push(error);
  }
}

interface OpenPair {
  readonly near: Recorder;
  readonly far: Recorder;
  close(): Promise<void>;
}

async function open(harness: TransportHarness): Promise<OpenPair> {
  let far: Recorder | undefined;
  const listener = await harness.listen((transport) => {
    far = new Recorder(transport);
    transport.open(far);
  });
  const transport = await harness.connect(listener.address);
  const near = new Recorder(transport);
  transport.open(near);
  await until(harness, "the listener gets the connection", () => far !== undefined);
  const close = async (): Promise<void> => {
    near.transport.destroy();
    far?.transport.destroy();
    await listener.close();
    if (near.lateChunks > 0 || (far?.lateChunks ?? 0) > 0) broken("no bytes come after onClose");
  };
  return { near, far: far!, close };
}

async function until(
  { patienceMs = PATIENCE_MS }: TransportHarness,
  rule: string,
  condition: () => boolean,
): Promise<void> {
  const end = performance.now() + patienceMs;
  while (!condition()) {
    if (performance.now() > end) broken(rule);
    await turn();
  }
}

async function turn(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 2));
}

function broken(rule: string): never {
  throw new Error(`transport: ${rule}`);
}
