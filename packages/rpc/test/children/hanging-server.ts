import { expose, serve, service } from "@colloquy/rpc";

// A server whose `hang` never answers.
const root = service({ ready: expose(() => true), hang: expose(() => new Promise(() => {})) });
const server = await serve("tcp://127.0.0.1:0", root);
process.stdout.write(`${JSON.stringify({ address: server.address })}\n`);
