/** One reading of a sample payload. */
export interface Reading {
  readonly at: number;
  readonly power: number;
  readonly voltage: number;
  readonly quality: string;
}

/** The object that W3 sends there and back: nested, with strings, integers, floats and a repeated shape. */
export interface Payload {
  readonly id: number;
  readonly name: string;
  readonly active: boolean;
  readonly parent: null;
  readonly position: { readonly latitude: number; readonly longitude: number; readonly altitude: number };
  readonly tags: readonly string[];
  readonly readings: readonly Reading[];
  readonly comment: string;
}

const readingCount = 12;

/** A fresh payload of 931 bytes in MsgPack. Its content is fixed. */
export function samplePayload(): Payload {
  return {
    id: 4_821_337,
    name: "substation-north-17",
    active: true,
    parent: null,
    position: { latitude: 53.143_89, longitude: 8.213_88, altitude: 4 },
    tags: ["grid", "medium-voltage", "metered", "north"],
    readings: Array.from({ length: readingCount }, (_, index) => ({
      at: 1_790_000_000 + index * 900,
      power: 312.5 + index * 7.3,
      voltage: 20_000 + index,
      quality: index % 5 === 4 ? "estimated" : "measured",
    })),
    comment:
      "Readings are averages of a quarter of an hour; the estimated values are replaced as soon as their own meter answers.",
  };
}
