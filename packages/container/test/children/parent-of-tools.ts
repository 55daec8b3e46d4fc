/** Launches what its argument says, and prints pids and addresses. Leaves them to themselves. */
import { launchAll } from "@colloquy/container";
import type { LaunchOptions } from "@colloquy/container";

const [text] = process.argv.slice(2) as [string];
const children = await launchAll(JSON.parse(text) as LaunchOptions[]);
process.stdout.write(`${JSON.stringify(children.map(({ pid, address }) => [pid, address]))}\n`);
