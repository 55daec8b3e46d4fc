/** Launches two children and prints their pids. */
import { launch } from "@colloquy/container";

const [entry] = process.argv.slice(2) as [string];
process.on(
  "SIGINT",
  () =>
    void (async () => {
      process.stdout.write(`["interrupted"]\n`);
      const exits = await Promise.all(children.map(async (child) => child.stop()));
      process.stdout.write(`${JSON.stringify(exits)}\n`);
      process.exit();
    })(),
);
const children = await Promise.all([launch({ entry }), launch({ entry })]);
process.stdout.write(`${JSON.stringify(children.map(({ pid, address }) => [pid, address]))}\n`);
