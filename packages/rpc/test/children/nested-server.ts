import { Service, expose, serve } from "@colloquy/rpc";

interface Nested {
  readonly nested: { readonly cb: (x: number) => Promise<number> }[];
}

// Calls back what is deep in its arguments. Tells its counters when asked.
class Root extends Service {
  @expose async deep({ nested }: Nested, x: number): Promise<{ list: [() => number] }> {
    const result = await nested[0]!.cb(x);
    return { list: [() => result] };
  }
  @expose counts(): object {
    return [...server.connections].map((connection) => connection.stats());
  }
}

const server = await serve("tcp://127.0.0.1:0", new Root());
process.stdout.write(`${JSON.stringify({ address: server.address })}\n`);
