/** Launches what its argument says, and prints pids and addresses. Leaves them to themselves; ends at the end of its input. */
import { launchAll } from "@colloquy/container";
import type { LaunchOptions } from "@colloquy/container";

const [text] = process.argv.slice(2) as [string];
const children = await launchAll(JSON.parse(text) as LaunchOptions[]);
process.stdout.write(`${JSON.stringify(children.map(({ pid, address }) => [pid, address]))}\n`);
process.stdin.on("end", () => process.exit(0)).resume();
