import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** What a payload came to, how long that took, and by how much the process grew. */
export interface Outcome {
  readonly outcome: string;
  readonly milliseconds: number;
  readonly grown: number;
}

/** What another process makes of a payload. */
export async function inChild(payload: Buffer, ...args: string[]): Promise<Outcome> {
  const script = fileURLToPath(new URL("../children/bombs.ts", import.meta.url));
  const child = spawn(process.execPath, ["--import", "tsx", "--conditions=@colloquy/source", script, ...args], {
    stdio: ["pipe", "pipe", "inherit"],
    timeout: 50_000,
  });
  child.stdin.end(payload);
  let printed = "";
  child.stdout.on("data", (chunk: Buffer) => (printed += chunk.toString()));
  await once(child, "close");
  return JSON.parse(printed) as Outcome;
}
