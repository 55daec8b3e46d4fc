import { createTRPCClient, createWSClient, wsLink } from "@trpc/client";
import { initTRPC } from "@trpc/server";
import { applyWSSHandler } from "@trpc/server/adapters/ws";
import { EventEmitter, on, once } from "node:events";
import type { AddressInfo } from "node:net";
import { WebSocket, WebSocketServer } from "ws";
import { z } from "zod";
import { afterCallback, bump, type Peer, type PeerClient, type PeerServer } from "../peer.ts";
import { packageVersion } from "../versions.ts";

/** A question that the server has for the client. */
interface Ask {
  readonly id: number;
  readonly n: number;
}

/** What the server keeps of a connection: questions go out as events of a subscription, a mutation brings the answers. */
class Session {
  readonly events = new EventEmitter();
  readonly #asked = new Map<number, (bumped: number) => void>();
  #nextId = 0;

  ask(n: number): Promise<number> {
    return new Promise((resolve) => {
      const id = this.#nextId++;
      this.#asked.set(id, resolve);
      this.events.emit("ask", { id, n } satisfies Ask);
    });
  }

  answer(id: number, bumped: number): void {
    this.#asked.get(id)?.(bumped);
    this.#asked.delete(id);
  }
}

const payloadSchema = z.object({
  id: z.number(),
  name: z.string(),
  active: z.boolean(),
  parent: z.null(),
  position: z.object({ latitude: z.number(), longitude: z.number(), altitude: z.number() }),
  tags: z.array(z.string()),
  readings: z.array(z.object({ at: z.number(), power: z.number(), voltage: z.number(), quality: z.string() })),
  comment: z.string(),
});

const t = initTRPC.context<{ readonly session: Session }>().create();

const callee = t.router({
  add: t.procedure.input(z.object({ a: z.number(), b: z.number() })).query(({ input }) => input.a + input.b),
  echo: t.procedure.input(payloadSchema).query(({ input }) => input),
  callback: t.procedure
    .input(z.number())
    .mutation(async ({ input, ctx }) => afterCallback(await ctx.session.ask(input))),
  asks: t.procedure.subscription(async function* ({ ctx, signal }) {
    for await (const [ask] of on(ctx.session.events, "ask", signal && { signal })) yield ask as Ask;
  }),
  answer: t.procedure
    .input(z.object({ id: z.number(), bumped: z.number() }))
    .mutation(({ input, ctx }) => ctx.session.answer(input.id, input.bumped)),
});

async function listen(): Promise<PeerServer> {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  applyWSSHandler({ wss: server, router: callee, createContext: () => ({ session: new Session() }) });
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    address: `ws://127.0.0.1:${port}`,
    async close() {
      for (const socket of server.clients) socket.terminate();
      server.close();
      await once(server, "close");
    },
  };
}

async function open(address: string): Promise<PeerClient> {
  let fail = (_error: Error): void => {};
  const socket = createWSClient({
    url: address,
    WebSocket: WebSocket as unknown as typeof globalThis.WebSocket,
    onError: () => {
      void socket.close();
      fail(new Error(`no connection to ${address}`));
    },
  });
  const client = createTRPCClient<typeof callee>({ links: [wsLink({ client: socket })] });
  const subscription = await new Promise<{ unsubscribe(): void }>((resolve, reject) => {
    fail = reject;
    const asks = client.asks.subscribe(undefined, {
      onStarted: () => resolve(asks),
      onData: ({ id, n }) => void client.answer.mutate({ id, bumped: bump(n) }).catch(() => {}),
      onError: reject,
    });
  });
  return {
    add: (a, b) => client.add.query({ a, b }),
    echo: (payload) => client.echo.query(payload as z.input<typeof payloadSchema>),
    callback: (n) => client.callback.mutate(n),
    async close() {
      subscription.unsubscribe();
      await socket.close();
    },
  };
}

/** tRPC over WebSocket; it has no calls to clients, so the server asks by a subscription. */
export const trpc: Peer = {
  name: "trpc",
  versions: {
    "@trpc/server": packageVersion("@trpc/server"),
    "@trpc/client": packageVersion("@trpc/client"),
    ws: packageVersion("ws"),
    zod: packageVersion("zod"),
  },
  server: listen,
  client: open,
};
