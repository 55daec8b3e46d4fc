import { ColloquyError } from "./errors.ts";
import { located } from "./lower-lift.ts";
import { messageOf, readable } from "./readable.ts";

/** What a codec has thrown, as the error of the message. */
export function failureOf(thrown: unknown): ColloquyError {
  const error = located(readable(thrown));
  if (error instanceof ColloquyError) return error;
  const reason = `the codec failed: ${messageOf(error)}`;
  return new ColloquyError("SERIALIZATION_ERROR", reason, { cause: thrown });
}

/** The method ran; only its result is lost. */
export function resultLost(error: ColloquyError): ColloquyError {
  return new ColloquyError(error.code, `the result can't be sent: ${error.message}`, {
    cause: error.cause,
    executed: "yes",
  });
}

/** A failure that is no ColloquyError is a fault of this library or of a handler: it ends the connection, not the process. */
export function readingFailed(error: unknown): ColloquyError {
  if (error instanceof ColloquyError) return error;
  return new ColloquyError("INTERNAL", `unexpected failure while reading: ${messageOf(error)}`, { cause: error });
}
