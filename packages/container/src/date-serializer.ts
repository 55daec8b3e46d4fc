import { ColloquyError, quoted } from "@colloquy/core";
import type { SerializerFactory } from "@colloquy/core";
import { DateTime } from "luxon";

/**
 * luxon's `DateTime` as ISO 8601 text with its offset, type 0 of containers, as aiomas' `arrow` dates. The zone arrives as a
 * fixed offset; digits below the millisecond are lost. A text without an offset is in UTC, as for `arrow`.
 */
export const dateSerializer: SerializerFactory<DateTime> = () => [DateTime, toText, fromText];

function toText(date: DateTime): string {
  // Local mean times of old have offsets with seconds, which the text lacks: the moment counts.
  const written = Number.isInteger(date.offset) ? date : date.toUTC(Math.round(date.offset));
  const text = written.toISO({ suppressMilliseconds: true });
  if (text === null)
    throw new ColloquyError("INVALID_ARGUMENT", `invalid date: ${date.invalidExplanation ?? "no reason given"}`);
  // The offset is always written out, as Python does.
  return text.endsWith("Z") ? `${text.slice(0, -1)}+00:00` : text;
}

function fromText(text: unknown): DateTime {
  // Names of zones aren't part of ISO 8601, and luxon remembers each one that it has seen.
  const isPlain = typeof text === "string" && text.length <= 64 && !text.includes("[");
  const date = isPlain ? DateTime.fromISO(text, { setZone: true, zone: "utc" }) : undefined;
  if (date?.isValid === true) return date;
  throw new ColloquyError(
    "INVALID_ARGUMENT",
    `no ISO 8601 date: ${typeof text === "string" ? quoted(text, 64) : typeof text}`,
  );
}
