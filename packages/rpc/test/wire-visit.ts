import { serve } from "../src/index.ts";
import type { Connection, Server, ServeOptions } from "../src/index.ts";
import { WirePeer, newAddress } from "./support.ts";

export interface WireVisit extends AsyncDisposable {
  readonly server: Server;
  readonly wire: WirePeer;
  /** The server's side. */
  readonly connection: Connection;
}

/** A server of `root`, and a peer by hand that has said hello to it. */
export async function wireVisit(root: object, options: ServeOptions = {}, hello?: object): Promise<WireVisit> {
  const server = await serve(newAddress(), root, options);
  const wire = await WirePeer.connect(server.address);
  await wire.hello(hello);
  const [connection] = server.connections;
  const dispose = async (): Promise<void> => {
    await wire[Symbol.asyncDispose]();
    await server.close({ graceMs: 0 });
  };
  return { server, wire, connection: connection!, [Symbol.asyncDispose]: dispose };
}
