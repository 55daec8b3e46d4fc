// Serves texts of any length, in whatever codec the client speaks.
import { expose, serve, service } from "../../src/index.ts";

const server = await serve("tcp://127.0.0.1:0", service({ pieces: expose((count: number) => "x".repeat(count)) }), {
  codec: "auto",
});
process.stdout.write(`${JSON.stringify({ address: server.address })}\n`);
