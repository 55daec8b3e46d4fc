// The program behind `pnpm attacks`, `pnpm faults`, `pnpm fuzz`, `pnpm simulate` and `pnpm soak`: the first argument names the command.

/** A command resolves with the exit code. */
type Command = (args: readonly string[]) => Promise<number>;

const commands: Readonly<Record<string, () => Promise<{ readonly run: Command }>>> = {
  attacks: () => import("./attacks/main.ts"),
  faults: () => import("./faults/main.ts"),
  fuzz: () => import("./fuzz/main.ts"),
  simulate: () => import("./simulation/main.ts"),
  soak: () => import("./soak/main.ts"),
};

async function main([first = "", ...rest]: readonly string[]): Promise<number> {
  if (Object.hasOwn(commands, first)) return (await commands[first]!()).run(rest);
  throw new Error(`no command ${first} (there are ${Object.keys(commands).join(", ")})`);
}

async function exitCode(args: readonly string[]): Promise<number> {
  try {
    return await main(args);
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    return 2;
  }
}

// What a command has left behind doesn't keep the process.
process.exit(await exitCode(process.argv.slice(2).filter((arg) => arg !== "--")));
