import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";

const run = promisify(execFile);
const SCRIPT = fileURLToPath(new URL("../children/decoded-memory.ts", import.meta.url));
const ALLOWED = 48 * 2 ** 20;

/** `{"__type__": [` in MsgPack. */
const TYPE = "81a85f5f747970655f5f92";
const error = "82a46e616d65a145a76d657373616765a16d";
/** `1.5` five times. */
const numbers = "ca3fc00000".repeat(5);

/** Small values, in JSON and MsgPack. Five entries are one more than the engine has room for at first. */
const UNITS = [
  ["empty Maps", '{"__type__":[-5,[]]}', `${TYPE}fb90`],
  ["Maps of 5", '{"__type__":[-5,[1.5,1.5,2.5,2.5,3.5,3.5,4.5,4.5,5.5,5.5]]}', `${TYPE}fb9a${numbers}${numbers}`],
  ["Sets of 5", '{"__type__":[-6,[1.5,2.5,3.5,4.5,5.5]]}', `${TYPE}fa95${numbers}`],
  ["Dates", '{"__type__":[-4,0]}', `${TYPE}fc00`],
  ["BigInts", '{"__type__":[-7,"1"]}', `${TYPE}f9a131`],
  ["URLs", '{"__type__":[-9,"a:"]}', `${TYPE}f7a2613a`],
  ["Errors", '{"__type__":[-8,{"name":"E","message":"m"}]}', `${TYPE}f8${error}`],
  [
    "typed arrays",
    '{"__type__":[-10,["Float64Array","AAAAAAAAAAA="]]}',
    `${TYPE}f692ac466c6f617436344172726179c4080000000000000000`,
  ],
  ["DataViews", '{"__type__":[-12,""]}', `${TYPE}f4c400`],
] as const;

const cases = UNITS.flatMap(([what, json, msgpack]) => [
  [what, "json", json] as const,
  [what, "msgpack", msgpack] as const,
]);

describe("T9: a message of tiny values takes at most twice the memory that is allowed", () => {
  it.each(cases)("%s in %s", { timeout: 60_000 }, async (_what, format, unit) => {
    const node = ["--conditions=@colloquy/source", "--import", "tsx"];
    const { stdout } = await run(process.execPath, [...node, SCRIPT, format, unit, String(ALLOWED)]);
    const { count, grown } = JSON.parse(stdout) as { count: number; grown: number };
    expect(count).toBeGreaterThan(5_000);
    expect(grown).toBeLessThan(2 * ALLOWED);
  });
});
