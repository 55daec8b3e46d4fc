import { ColloquyError, toError } from "./errors.ts";
import { located } from "./lower-lift.ts";
import { readable } from "./readable.ts";

/** What a codec has thrown, as the error of the message. */
export function failureOf(thrown: unknown): ColloquyError {
  const error = located(readable(thrown));
  if (error instanceof ColloquyError) return error;
  const reason = `the codec failed: ${toError(error).message}`;
  return new ColloquyError("SERIALIZATION_ERROR", reason, { cause: thrown });
}

/** The method ran; only its result is lost. */
export function resultLost(error: ColloquyError): ColloquyError {
  return new ColloquyError(error.code, `the result can't be sent: ${error.message}`, {
    cause: error.cause,
    executed: "yes",
  });
}
