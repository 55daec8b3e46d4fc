import { writeSync } from "node:fs";
import { expose, serve, service } from "@colloquy/rpc";

// A server whose `hang` never answers. What `note` got stands in the output even where the process is killed right after.
const note = (id: number): number => {
  writeSync(1, `${id}\n`);
  return id;
};
const root = service({
  ready: expose(() => true),
  hang: expose(() => new Promise(() => {})),
  note: expose(note),
  noteAndHang: expose(async (id: number) => {
    note(id);
    await new Promise(() => {});
  }),
});
const server = await serve("tcp://127.0.0.1:0", root);
process.stdout.write(`${JSON.stringify({ address: server.address })}\n`);
