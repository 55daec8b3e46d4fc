// The program behind `pnpm bench`: a comparison of peers, or the command that the first argument names.

/** A command resolves with the exit code. */
type Command = (args: readonly string[]) => Promise<number>;

const commands: Readonly<Record<string, () => Promise<{ readonly run: Command }>>> = {
  agents: () => import("./agents/main.ts"),
  arrays: () => import("./arrays/main.ts"),
  codec: () => import("./codec/main.ts"),
  codecs: () => import("./codecs/main.ts"),
  growth: () => import("./growth/main.ts"),
  references: () => import("./references/main.ts"),
  "simulated-time": () => import("./simulated-time/main.ts"),
  soak: () => import("./soak/main.ts"),
  streams: () => import("./streams/main.ts"),
  charts: () => import("./charts/main.ts"),
  guard: () => import("./guard/main.ts"),
  hooks: () => import("./hooks/main.ts"),
};

async function main(args: readonly string[]): Promise<number> {
  const [first = "", ...rest] = args;
  if (Object.hasOwn(commands, first)) return (await commands[first]!()).run(rest);
  return (await import("./compare.ts")).run(args);
}

try {
  process.exitCode = await main(process.argv.slice(2).filter((arg) => arg !== "--"));
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 2;
}
