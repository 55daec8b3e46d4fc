import { digestOf } from "@colloquy/rpc";
import type { Caller } from "@colloquy/rpc";
import { ColloquyError } from "@colloquy/core";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Place, World } from "./deadlock-support.ts";
import type { Made, Waits } from "./deadlock-support.ts";
import { turns } from "./support.ts";
import { QuestionPlaces } from "../src/wait-questions.ts";

/** Questions that may hang on one another. */
const DEPTH = 8;
const PLACE_COUNT = 4;
const MAILBOX_COUNT = 5;

function madeBy(by: fc.Arbitrary<number | undefined>): fc.Arbitrary<Made> {
  const via = fc.option(fc.nat({ max: PLACE_COUNT - 1 }), { nil: undefined, freq: 2 });
  return fc.record({ by, mailbox: fc.nat({ max: MAILBOX_COUNT - 1 }), via });
}

const SLOT_COUNT = 7;
const WAITS: fc.Arbitrary<Waits> = fc
  .tuple(
    fc.array(fc.nat({ max: PLACE_COUNT - 1 }), { minLength: MAILBOX_COUNT, maxLength: MAILBOX_COUNT }),
    fc.tuple(
      ...Array.from({ length: SLOT_COUNT }, (_, index) =>
        madeBy(index < 3 ? fc.constant(undefined) : fc.option(fc.nat({ max: index - 1 }), { nil: undefined, freq: 1 })),
      ),
    ),
    fc.array(madeBy(fc.nat({ max: SLOT_COUNT - 1 })), { minLength: 6, maxLength: 14 }),
  )
  .map(([mailboxes, slots, calls]) => ({ mailboxes, slots, calls }));

async function verdictsOf(world: World): Promise<boolean[]> {
  return Promise.all(world.entries.map(async (entry) => entry.place.deadlocks.isDeadlocked(entry)));
}

const A_QUESTION = { depth: 7, search: "search", wanted: [digestOf("wanted")] };

/** A place in which `x` waits for calls to some peers. */
function waitingFor(...answers: (() => unknown)[]): { place: Place; asked: unknown[][]; peers: Caller[] } {
  const place = new Place(0, {});
  const asked: unknown[][] = [];
  const peers = answers.map((answer, index): Caller => {
    const call = async (_: unknown, args: unknown[]): Promise<unknown> => {
      asked.push(args);
      return answer();
    };
    return { root: `peer ${index}`, remoteAddress: "", notify: () => {}, call };
  });
  place.peers.set("x", new Set(peers));
  return { place, asked, peers };
}

function ask(place: Place, connection: object, changes: Partial<typeof A_QUESTION> = {}): unknown {
  const { wanted, depth, search } = { ...A_QUESTION, ...changes };
  return place.deadlocks.answer([[digestOf("x")], wanted, depth, search], connection);
}

describe("deadlocks among slots that wait for one another at random, over up to 4 containers", () => {
  it.each([
    ["", 1024],
    [" where 8 questions are asked at a time on each connection", 1],
  ])("are all found, and no other is told of%s", async (_, maxRunningCount) => {
    const limits = { maxHopCount: 32, maxRunningCount, maxPendingCount: 1024 };
    const found = { true: 0, false: 0 };
    await fc.assert(
      fc.asyncProperty(WAITS, fc.infiniteStream(fc.nat({ max: 3 })), async (waits, delays) => {
        const world = new World(waits, PLACE_COUNT, () => delays.next().value as number, { limits });
        const verdicts = await verdictsOf(world);
        for (const verdict of verdicts) found[`${verdict}`]++;
        expect(verdicts).toEqual(world.entries.map((entry) => world.isDeadlocked(entry, DEPTH)));
      }),
      { numRuns: 400 },
    );
    expect(Math.min(found.true, found.false)).toBeGreaterThan(20);
  });

  it("take no more questions than 8 for each connection with a slot that waits for calls on it", async () => {
    await fc.assert(
      fc.asyncProperty(WAITS, fc.infiniteStream(fc.nat({ max: 3 })), async (waits, delays) => {
        const world = new World(waits, PLACE_COUNT, () => delays.next().value as number);
        await verdictsOf(world);
        const most = Math.max(0, ...world.questionCounts.values());
        expect(most).toBeLessThanOrEqual(DEPTH * world.pairCount);
      }),
      { numRuns: 300 },
    );
  });
});

describe("a deadlock", () => {
  it("is one where all slots of a mailbox wait for the same slot, in one container", () => {
    // The two slots of mailbox 1 wait for mailbox 2, whose slot waits for mailbox 0.
    const slots = [0, 1, 1, 2].map((mailbox) => ({ by: undefined, mailbox, via: undefined }));
    const calls = [
      [1, 2],
      [2, 2],
      [3, 0],
      [0, 1],
    ].map(([by, mailbox]) => ({ by, mailbox: mailbox!, via: undefined }));
    const world = new World({ mailboxes: [0, 0, 0], slots, calls }, 1, () => 0);
    expect(world.entries.map((entry) => entry.place.deadlocks.isDeadlocked(entry)).slice(2)).toEqual([true, true]);
  });

  it("is told once a peer says so, while another one hasn't answered yet", async () => {
    const { place } = waitingFor(
      () => new Promise(() => {}),
      async () => turns(3).then(() => [true]),
    );
    const entry = { chain: ["own"], holders: new Set(["x"]), isWaiting: true };
    place.deadlocks.add(entry);
    // It asks twice more.
    expect(await place.deadlocks.isDeadlocked(entry)).toBe(true);
  });

  it.each([
    ["says that it can't tell now", () => [null]],
    ["has no time", () => Promise.reject(new ColloquyError("RESOURCE_EXHAUSTED", "busy"))],
    ["doesn't answer in time", () => Promise.reject(new ColloquyError("DEADLINE_EXCEEDED", "late"))],
  ])("is found later where a peer %s", async (_, answer) => {
    let count = 0;
    const { place, asked } = waitingFor(() => (++count > 3 ? [true] : answer()));
    const entry = { chain: ["z"], holders: new Set(["x"]), isWaiting: true };
    place.deadlocks.add(entry);
    expect(await place.deadlocks.isDeadlocked(entry)).toBe(true);
    expect(asked).toHaveLength(4);
    // Each time is a search of its own.
    expect(new Set(asked.map((args) => args[3])).size).toBe(4);
  });

  it.each([["nothing"], [[]], [[1]], [{ 0: true }]])("isn't what a peer tells by %j", async (answer) => {
    const { place } = waitingFor(() => answer);
    const entry = { chain: ["z"], holders: new Set(["x"]), isWaiting: true };
    place.deadlocks.add(entry);
    expect(await place.deadlocks.isDeadlocked(entry)).toBe(false);
  });

  it("isn't asked about any more once the call has left", async () => {
    const { place, asked } = waitingFor(() => [null]);
    const entry = { chain: ["z"], holders: new Set(["x"]), isWaiting: true };
    place.deadlocks.add(entry);
    const verdict = place.deadlocks.isDeadlocked(entry);
    await turns(3);
    entry.isWaiting = false;
    place.deadlocks.remove(entry);
    expect(await verdict).toBe(false);
    const { length } = asked;
    await turns(20);
    expect(asked).toHaveLength(length);
  });
});

/** Slots that count how many of them are looked at. */
class CountedSlots extends Set<string> {
  looks = 0;
  override *[Symbol.iterator](): SetIterator<string> {
    for (const slot of this.values()) {
      this.looks++;
      yield slot;
    }
  }
}

describe("who waits for a mailbox", () => {
  it.each([10, 100])("is found with few looks at its %i slots, however many calls wait for it", async (count) => {
    const holders = new CountedSlots(Array.from({ length: count }, (_, index) => `holder ${index}`));
    const { place } = waitingFor();
    const chain = Array.from({ length: 32 }, (_, index) => `slot ${index}`);
    for (let calls = 0; calls < 900; calls++) place.deadlocks.add({ chain, holders, isWaiting: true });
    const digests = chain.map(digestOf);
    expect(await place.deadlocks.answer([digests, A_QUESTION.wanted, 7, "search"], {})).toEqual(chain.map(() => false));
    const behind = { chain: ["other"], holders: new Set(chain), isWaiting: true };
    expect(await place.deadlocks.isDeadlocked(behind)).toBe(false);
    expect(holders.looks).toBeLessThanOrEqual(2 * count);
  });

  it("isn't forgotten while one of several calls of a slot waits for it yet", async () => {
    const { place } = waitingFor();
    const one = { chain: ["a", "b"], holders: new Set(["c"]), isWaiting: true };
    place.deadlocks.add(one);
    place.deadlocks.add({ ...one, chain: ["b"] });
    place.deadlocks.remove(one);
    const closing = { chain: ["c"], isWaiting: true };
    expect(await place.deadlocks.isDeadlocked({ ...closing, holders: new Set(["a"]) })).toBe(false);
    expect(await place.deadlocks.isDeadlocked({ ...closing, holders: new Set(["b"]) })).toBe(true);
  });
});

describe("searches for which there is no room", () => {
  interface Scene {
    readonly place: Place;
    readonly entries: { isWaiting: boolean; readonly chain: string[]; readonly holders: Set<string> }[];
    readonly verdicts: Promise<unknown[]>;
    /** Searches that have begun to ask. */
    readonly searched: () => number;
    /** Answers all that is asked, and will be. */
    readonly answer: (told: boolean) => void;
  }

  function newScene(): Scene {
    let count = 0;
    const place = new Place(0, { newName: () => `search ${count++}` });
    let answer!: (told: boolean) => void;
    const answered = new Promise<boolean[]>((resolve) => (answer = (told) => resolve([told])));
    const call = (): Promise<unknown> => answered;
    place.peers.set("x", new Set([{ root: "peer", remoteAddress: "", notify: () => {}, call } as unknown as Caller]));
    const entries = Array.from({ length: 200 }, (_, index) => ({
      chain: [`z ${index}`],
      holders: new Set(["x"]),
      isWaiting: true,
    }));
    for (const entry of entries) place.deadlocks.add(entry);
    const verdicts = Promise.all(entries.map((entry) => place.deadlocks.isDeadlocked(entry)));
    return { place, entries, verdicts, searched: () => count, answer };
  }

  it("do nothing until there is", async () => {
    const { verdicts, searched, answer } = newScene();
    await turns(300);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(searched()).toBe(32);
    answer(true);
    expect(new Set(await verdicts)).toEqual(new Set([true]));
    expect(searched()).toBeLessThan(300);
  });

  it("come to their end where the peer is lost, or the calls are", async () => {
    const { place, entries, verdicts, searched, answer } = newScene();
    for (const entry of entries.slice(100)) {
      entry.isWaiting = false;
      place.deadlocks.remove(entry);
    }
    place.peers.clear();
    answer(false);
    expect(new Set(await verdicts)).toEqual(new Set([false]));
    expect(searched()).toBe(100);
  });

  it("have their turn once there is room for all connections together", () => {
    const places = new QuestionPlaces(32);
    const connections = Array.from({ length: 32 }, () => ({}));
    const leaves = connections.flatMap((connection) => Array.from({ length: 32 }, () => places.take(connection)!));
    const called: number[] = [];
    const other = {};
    expect(places.hasRoom(other)).toBe(false);
    places.lineUp([other], () => called.push(1));
    places.lineUp([other, connections[0]!], () => called.push(2))();
    leaves[40]!();
    expect(called).toEqual([1]);
    expect(places.take(other)).toBeDefined();
  });
});

describe("a question about a deadlock", () => {
  it("that comes to a container more than once within a search is one, also when it is answered", async () => {
    const { place, asked, peers } = waitingFor(() => turns(2).then(() => [false]));
    expect(await Promise.all([ask(place, peers[0]!), ask(place, {})])).toEqual([[false], [false]]);
    expect(await ask(place, {})).toEqual([false]);
    expect(asked).toEqual([[[digestOf("x")], A_QUESTION.wanted, 6, "search"]]);
  });

  it("is one at a time for a search on a connection, and asks for all slots that are known to wait", async () => {
    const { place, asked, peers } = waitingFor(() => turns(2).then(() => [false, false]));
    for (const slot of ["y", "z"]) place.peers.set(slot, new Set(peers));
    const { wanted, depth, search } = A_QUESTION;
    const [x, y, z] = ["x", "y", "z"].map(digestOf) as [string, string, string];
    const first = place.deadlocks.answer([[x], wanted, depth, search], {});
    const second = place.deadlocks.answer([[x, y, z], wanted, depth, search], {});
    await turns(1);
    expect(asked.map(([slots]) => slots)).toEqual([[x]]);
    expect(await Promise.all([first, second])).toEqual([[false], [false, false, false]]);
    expect(asked.map(([slots]) => slots)).toEqual([[x], [y, z]]);
  });

  it("is another one with another search, depth or slots that are looked for", async () => {
    const { place, asked } = waitingFor(() => [false]);
    for (const changes of [{}, { search: "other" }, { depth: 6 }, { wanted: [digestOf("other")] }])
      await ask(place, {}, changes);
    expect(asked).toHaveLength(4);
  });

  it("leads to no other at depth 0, nor where nothing is known of the slot", async () => {
    const { place, asked } = waitingFor(() => [true]);
    expect(ask(place, {}, { depth: 0 })).toEqual([false]);
    expect(place.deadlocks.answer([[digestOf("y")], A_QUESTION.wanted, 7, "search"], {})).toEqual([false]);
    expect(asked).toEqual([]);
  });

  it("takes one of 32 places of its connection while it waits for others, and is told to come again beyond", async () => {
    const { place, asked } = waitingFor(() => new Promise(() => {}));
    const connection = {};
    const answers = Array.from({ length: 60 }, (_, index) => ask(place, connection, { search: `search ${index}` }));
    expect(answers.slice(0, 32).every((answer) => answer instanceof Promise)).toBe(true);
    expect(answers.slice(32)).toEqual(Array.from({ length: 28 }, () => [null]));
    expect(asked).toHaveLength(32);
  });

  it("takes no more than an eighth of what the limits let run", () => {
    const limits = { maxHopCount: 32, maxRunningCount: 100, maxPendingCount: 1000 };
    const place = new Place(0, { limits });
    const call = (): Promise<unknown> => new Promise(() => {});
    place.peers.set("x", new Set([{ root: "peer", remoteAddress: "", notify: () => {}, call } as unknown as Caller]));
    const connection = {};
    const answers = Array.from({ length: 20 }, (_, index) => ask(place, connection, { search: `search ${index}` }));
    expect(answers.map((answer) => answer instanceof Promise)).toEqual(Array.from(answers, (_, index) => index < 12));
  });

  it("about a slot among very many is answered once their digests are made", async () => {
    const { place } = waitingFor();
    const holders = new Set(["holder"]);
    for (let call = 0; call < 100; call++) {
      const chain = Array.from({ length: 32 }, (_, index) => `slot ${call} ${index}`);
      place.deadlocks.add({ chain, holders, isWaiting: true });
    }
    const asked = ["slot 0 0", "slot 99 31", "other"].map(digestOf);
    const wanted = [digestOf("holder")];
    expect(place.deadlocks.answer([asked, wanted, 7, "search"], {})).toEqual([true, null, null]);
    expect(place.deadlocks.answer([asked.slice(1), wanted, 7, "search"], {})).toEqual([null, null]);
    await turns(20);
    expect(place.deadlocks.answer([asked, wanted, 7, "search"], {})).toEqual([true, true, false]);
  });

  it.each([
    ["33 slots to look for", [["x"], Array.from({ length: 33 }, String), 3, "search"]],
    ["1,025 slots", [Array.from({ length: 1025 }, String), ["y"], 3, "search"]],
    ["a slot of 65 characters", [["x".repeat(65)], ["y"], 3, "search"]],
    ["a number for a slot", [[5], ["y"], 3, "search"]],
    ["no list", ["x", ["y"], 3, "search"]],
    ["no depth", [["x"], ["y"], undefined, "search"]],
    ["no search", [["x"], ["y"], 3, undefined]],
  ])("with %s is INVALID_ARGUMENT", (_, args) => {
    expect(() => new Place(0, {}).deadlocks.answer(args, {})).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT" }),
    );
  });
});
