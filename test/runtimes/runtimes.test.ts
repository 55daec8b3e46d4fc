import { execFile, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";

const session = fileURLToPath(new URL("session.mjs", import.meta.url));

/** How a runtime is called that runs the built packages. */
const runtimes: [name: string, command: string, parameters: string[]][] = [
  ["Node", process.execPath, []],
  ["Bun", "bun", ["run"]],
  ["Deno", "deno", ["run", "--allow-all", "--quiet"]],
];

describe.each(runtimes)("a session on %s", (_name, command, parameters) => {
  const isThere = spawnSync(command, ["--version"], { stdio: "ignore" }).status === 0;
  if (!isThere) process.stdout.write(`no ${command} on the path: its test is skipped\n`);

  it.skipIf(!isThere)("carries calls, callbacks and large messages over TCP and Unix sockets", async () => {
    const { stdout } = await promisify(execFile)(command, [...parameters, session], { timeout: 30_000 });
    const outcome = { sum: 250_500, back: 42, large: true, failure: "TypeError: on purpose", refused: "UNAVAILABLE" };
    const lines = stdout.trim().split("\n");
    expect(lines.map((line) => JSON.parse(line) as unknown)).toStrictEqual([
      { kind: "tcp", codec: "JsonCodec", ...outcome },
      { kind: "tcp", codec: "MsgPackCodec", ...outcome },
      { kind: "ipc", codec: "JsonCodec", ...outcome },
      { kind: "ipc", codec: "MsgPackCodec", ...outcome },
    ]);
  });
});
