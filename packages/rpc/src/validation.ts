import { ColloquyError, describeType, formatPlace, isMap, quoted, toError } from "@colloquy/core";
import type { StandardSchemaIssue, StandardSchemaV1 } from "./standard-schema.ts";

const SHOWN_ISSUE_COUNT = 3;
const SHOWN_LENGTH = 256;

/** What `expose` takes of schemas. */
export interface SchemaOptions {
  /**
   * Any Standard Schema, or one for each parameter. One schema is that of the only parameter. The method gets the values that the
   * schemas give; arguments that don't fit, and those beyond, are `INVALID_ARGUMENT`.
   */
  readonly input?: StandardSchemaV1 | readonly StandardSchemaV1[];
  /** The schema of the result, or of what its promise resolves with. A result that doesn't fit is `INTERNAL` for the caller. */
  readonly output?: StandardSchemaV1;
}

/** @throws ColloquyError `INVALID_ARGUMENT` for what is no schema: nothing is exposed that can't be checked. */
export function checkSchemas({ input, output }: { readonly input?: unknown; readonly output?: unknown }): void {
  for (const [index, schema] of listOf(input).entries()) checkSchema(schema, `input[${index}]`);
  if (output !== undefined) checkSchema(output, "output");
}

function checkSchema(schema: unknown, name: string): void {
  const isObject = (typeof schema === "object" && schema !== null) || typeof schema === "function";
  const standard: unknown = isObject ? (schema as { "~standard"?: unknown })["~standard"] : undefined;
  if (isMap(standard) && standard["version"] === 1 && typeof standard["validate"] === "function") return;
  const reason = `${name} of expose is ${describeType(schema)}, no schema of Standard Schema version 1 ("~standard")`;
  throw new ColloquyError("INVALID_ARGUMENT", reason);
}

function listOf<S>(input: S | readonly S[] | undefined): readonly S[] {
  if (input === undefined) return [];
  return Array.isArray(input) ? (input as readonly S[]) : [input as S];
}

/**
 * The arguments as the schemas give them; a promise where one of the schemas needs it.
 *
 * @throws ColloquyError `INVALID_ARGUMENT` with the place, `INTERNAL` where a schema fails itself. The promise rejects with them.
 */
export function checkArguments(
  input: NonNullable<SchemaOptions["input"]>,
  args: readonly unknown[],
  path: string,
): unknown[] | Promise<unknown[]> {
  const schemas = listOf<StandardSchemaV1>(input);
  if (args.length > schemas.length) {
    const reason = `${quoted(path)} takes ${schemas.length} arguments, not ${args.length}`;
    throw new ColloquyError("INVALID_ARGUMENT", reason);
  }
  const results = schemas.map((schema, index) => validate(schema, args[index]));
  const taken = (values: readonly unknown[]): unknown[] => takeAll(values, args.length, path);
  return results.some((result) => result instanceof Promise) ? Promise.all(results).then(taken) : taken(results);
}

/** Values of all results. Those that weren't given and have no default are left out. */
function takeAll(results: readonly unknown[], givenCount: number, path: string): unknown[] {
  const values = results.map((result, index) => {
    const issues = issuesOf(result, path);
    if (issues === undefined) return (result as { readonly value: unknown }).value;
    throw new ColloquyError("INVALID_ARGUMENT", `argument ${index + 1} of ${quoted(path)}: ${textOf(issues)}`);
  });
  while (values.length > givenCount && values.at(-1) === undefined) values.pop();
  return values;
}

/** The result as the schema gives it. Rejects with what is wrong, for this side: the text may hold parts of the value. */
export async function checkResult(output: StandardSchemaV1, value: unknown, path: string): Promise<unknown> {
  const result = await validate(output, value);
  const issues = issuesOf(result, path);
  if (issues === undefined) return (result as { readonly value: unknown }).value;
  throw new ColloquyError("INTERNAL", `the result of ${quoted(path)}: ${textOf(issues)}`, { executed: "yes" });
}

/** What the caller is told of such a result. */
export function wrongResult(path: string): ColloquyError {
  const reason = `the result of ${quoted(path)} is not what its output schema takes; the other side was told why`;
  return new ColloquyError("INTERNAL", reason, { executed: "yes" });
}

/** What a schema does that throws, where it should tell what is wrong. */
class SchemaFailure {
  readonly cause: unknown;

  constructor(cause: unknown) {
    this.cause = cause;
  }
}

/** The result of a schema, or a promise of it. Neither throws nor rejects: a promise beside one that throws would be nobody's. */
function validate(schema: StandardSchemaV1, value: unknown): unknown {
  try {
    const result: unknown = schema["~standard"].validate(value);
    if (!(isMap(result) && typeof result["then"] === "function")) return result;
    return Promise.resolve(result as unknown).catch((error: unknown) => new SchemaFailure(error));
  } catch (error) {
    return new SchemaFailure(error);
  }
}

/** Undefined where there are none. @throws ColloquyError `INTERNAL` for what is no result of a schema. */
function issuesOf(result: unknown, path: string): readonly StandardSchemaIssue[] | undefined {
  if (result instanceof SchemaFailure) {
    const reason = `a schema of ${quoted(path)} has failed: ${toError(result.cause).name}`;
    throw new ColloquyError("INTERNAL", reason, { cause: result.cause });
  }
  if (isMap(result)) {
    if (Array.isArray(result["issues"])) return result["issues"] as readonly StandardSchemaIssue[];
    if (result["issues"] === undefined && "value" in result) return undefined;
  }
  throw new ColloquyError("INTERNAL", `a schema of ${quoted(path)} gives neither a value nor issues`);
}

function textOf(issues: readonly StandardSchemaIssue[]): string {
  const shown = issues.slice(0, SHOWN_ISSUE_COUNT).map((issue) => issueText(issue));
  const more = issues.length - shown.length;
  if (more > 0) shown.push(`${more} more`);
  return shown.length === 0 ? "it doesn't fit" : shown.join("; ");
}

function issueText(issue: unknown): string {
  const { message, path } = isMap(issue) ? issue : {};
  const text = typeof message === "string" ? message.slice(0, SHOWN_LENGTH) : "it doesn't fit";
  const steps = Array.isArray(path) ? path.map((step: unknown) => keyOf(step)) : [];
  return steps.length === 0 ? text : `at ${formatPlace(steps)}: ${text}`;
}

function keyOf(step: unknown): string | number {
  const key = isMap(step) ? step["key"] : step;
  return typeof key === "number" ? key : String(key);
}
