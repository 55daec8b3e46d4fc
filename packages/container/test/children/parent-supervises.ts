/** Supervises a process until it is killed; prints where it is and each restart. */
import { processChild, supervise } from "@colloquy/container";

const [entry] = process.argv.slice(2) as [string];
const child = processChild({ entry, name: "desk" });
const supervisor = await supervise([child], {
  intensity: 5,
  onRestart: (id, { reason }) => process.stdout.write(`${JSON.stringify({ id, reason })}\n`),
});
process.stdout.write(`${JSON.stringify({ address: child.address, pid: child.launched?.pid })}\n`);
await supervisor.ended;
