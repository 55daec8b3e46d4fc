import type { Peer } from "../peer.ts";

/** Every peer by name, in the order of the report; each is loaded only in the processes that run it. */
export const peers: Readonly<Record<string, () => Promise<Peer>>> = {
  "batched-loop": async () => (await import("./batched-loop.ts")).batchedLoop,
  "hand-tuned": async () => (await import("./hand-tuned-loop.ts")).handTuned,
  "batched-early": async () => (await import("./batched-loop.ts")).batchedEarly,
  "batched-json": async () => (await import("./batched-loop.ts")).batchedJson,
  "naive-loop": async () => (await import("./naive-loop.ts")).naiveLoop,
  colloquy: async () => (await import("./colloquy.ts")).colloquy,
  "colloquy-json": async () => (await import("./colloquy.ts")).colloquyJson,
  "colloquy-agents": async () => (await import("./colloquy-agents.ts")).colloquyAgents,
  birpc: async () => (await import("./birpc.ts")).birpc,
  "birpc-corked": async () => (await import("./birpc.ts")).birpcCorked,
  capnweb: async () => (await import("./capnweb.ts")).capnweb,
  "capnweb-websocket": async () => (await import("./capnweb-websocket.ts")).capnwebWebsocket,
  "vscode-jsonrpc": async () => (await import("./vscode-jsonrpc.ts")).vscodeJsonrpc,
  "socket.io": async () => (await import("./socket-io.ts")).socketIo,
  zeromq: async () => (await import("./zeromq.ts")).zeromq,
  moleculer: async () => (await import("./moleculer.ts")).moleculer,
  trpc: async () => (await import("./trpc.ts")).trpc,
  "grpc-js": async () => (await import("./grpc-js.ts")).grpcJs,
  pyzmq: async () => (await import("./python.ts")).pyzmq,
  pyro4: async () => (await import("./python.ts")).pyro4,
  rpyc: async () => (await import("./python.ts")).rpyc,
};

/** The peer that all ratios are relative to. */
export const yardstick = "batched-loop";
