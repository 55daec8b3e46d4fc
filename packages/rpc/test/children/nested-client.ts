import { connect } from "@colloquy/rpc";

// 10,000 calls with a function deep in the arguments and one in the result, none of them released by hand.
const address = process.argv[2]!;
const [count, patienceMs] = process.argv.slice(3).map(Number) as [number, number];
const connection = await connect<any>(address);
const { remote } = connection;
let sum = 0;
for (let done = 0; done < count; done += 100) {
  await Promise.all(
    Array.from({ length: 100 }, async (_, index) => {
      const x = done + index;
      const { list } = await remote.deep({ nested: [{ cb: (y: number) => y + 1 }] }, x);
      if (x % 10 !== 0) return;
      const result = await list[0]();
      sum += result - x;
    }),
  );
}
const peak = connection.stats();
// The library asks the engine to collect when no more come for a while, and when it may; with --expose-gc this does.
let last: { exportedReferences: number; importedReferences: number }[] = [];
const start = performance.now();
do {
  await new Promise((resolve) => setTimeout(resolve, 50));
  (globalThis as { gc?: () => void }).gc?.();
  last = [connection.stats(), ...(await remote.counts())];
} while (
  last.some(({ exportedReferences, importedReferences }) => exportedReferences + importedReferences > 0) &&
  performance.now() - start < patienceMs
);
const left = last.map(({ exportedReferences, importedReferences }) => [exportedReferences, importedReferences]);
process.stdout.write(`${JSON.stringify({ sum, left, peak: peak.exportedReferences })}\n`);
await connection.close();
