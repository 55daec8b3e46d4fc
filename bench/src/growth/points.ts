/** What the server of a point offers. */
export type Offer =
  | { readonly kind: "methods"; readonly count: number }
  | { readonly kind: "agents"; readonly count: number };

/** The argument of the calls of a point. */
export interface Argument {
  readonly shape: "string" | "numbers" | "object";
  /** About how many bytes it has in MsgPack. */
  readonly bytes: number;
}

/** One measurement: a server, and the calls that a client makes. */
export interface Point {
  readonly series: string;
  /** What grows along the series. */
  readonly x: number;
  readonly offer: Offer;
  readonly inFlight: number;
  readonly connectionCount: number;
  /** Of so many methods, agents or connections one is chosen for each call, at random. */
  readonly targetCount: number;
  /** Without it, `add(3, 4)`. */
  readonly argument?: Argument;
  /** Calls made before the clock starts; without it, a time of warm-up. */
  readonly callsBefore?: number;
}

/** Points that differ in one thing. */
export interface Series {
  readonly name: string;
  readonly title: string;
  readonly unit: string;
  /** Whether the cost of a call must stay the same along the series. */
  readonly mustBeFlat: boolean;
  readonly points: readonly Point[];
}

/** How much of the series a run measures. */
export type Extent = "full" | "smoke";

const oneMethod: Offer = { kind: "methods", count: 1 };
const usual = { offer: oneMethod, inFlight: 256, connectionCount: 1, targetCount: 1 };
const argumentInFlight = 16;
const maxProxyCount = 1_000;

/** Every series. The first point of each is what the others are held against. */
export function allSeries(extent: Extent): readonly Series[] {
  const upTo = (limit: number, values: readonly number[]): readonly number[] =>
    extent === "full" ? values : values.filter((value) => value <= limit).slice(-1);
  const sizes = upTo(4096, [16, 256, 4096, 65_536, 1_048_576]);
  const counts = upTo(10, [1, 10, 100, 1_000]);
  const agentCounts = upTo(100, [1, 100, 1_000, 10_000, 100_000]);
  return [
    ...(["string", "numbers", "object"] as const).map((shape) => argumentSeries(shape, sizes)),
    series(
      "in flight",
      "calls in flight over one connection",
      "calls",
      false,
      upTo(4096, [1, 4, 16, 64, 256, 1024, 4096]),
      (x) => ({
        inFlight: x,
      }),
    ),
    series("connections", "256 in flight over all of n connections", "connections", false, counts, (x) => ({
      connectionCount: x,
      targetCount: x,
    })),
    series("idle connections", "256 in flight over one of n connections", "connections", true, counts, (x) => ({
      connectionCount: x,
    })),
    series("methods", "one of n exposed methods", "methods", true, counts, (x) => ({
      offer: { kind: "methods", count: x },
    })),
    series("all methods", "any of n exposed methods", "methods", true, counts, (x) => ({
      offer: { kind: "methods", count: x },
      targetCount: x,
    })),
    series("agents", "one of n agents in a container", "agents", true, agentCounts, (x) => ({
      offer: { kind: "agents", count: x },
    })),
    series(
      "random agents",
      "any of n agents in a container, or of 1,000 of them",
      "agents",
      true,
      agentCounts,
      (x) => ({
        offer: { kind: "agents", count: x },
        targetCount: Math.min(x, maxProxyCount),
      }),
    ),
    series("calls before", "after n calls", "calls", true, upTo(2_000, [100_000, 500_000, 2_000_000]), (x) => ({
      callsBefore: x,
    })),
  ];
}

function series(
  name: string,
  title: string,
  unit: string,
  mustBeFlat: boolean,
  values: readonly number[],
  change: (x: number) => Partial<Point>,
): Series {
  const points = values.map((x) => ({ ...usual, ...change(x), series: name, x }));
  return { name, title, unit, mustBeFlat, points };
}

function argumentSeries(shape: Argument["shape"], sizes: readonly number[]): Series {
  return series(shape, `${argumentTitles[shape]}, 16 in flight`, "bytes", false, sizes, (bytes) => ({
    argument: { shape, bytes },
    inFlight: argumentInFlight,
  }));
}

const argumentTitles = {
  string: "argument: a string of n characters",
  numbers: "argument: an array of floats of about n bytes",
  object: "argument: a tree of objects of about n bytes",
};
