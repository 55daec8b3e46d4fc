import { Service, connect, expose, serve } from "@colloquy/rpc";

// A server whose subscribers throw, leave and are lost, and that awaits none of its calls. No listener for rejections here:
// one that nobody handles ends this process with code 1.
class Hub extends Service {
  readonly subscribers: ((text: string) => Promise<void>)[] = [];
  @expose subscribe(fn: (text: string) => Promise<void>): void {
    this.subscribers.push(fn);
  }
  @expose say(text: string): number {
    for (const subscriber of this.subscribers) void subscriber(text);
    return this.subscribers.length;
  }
}

const hub = new Hub();
const server = await serve("tcp://127.0.0.1:0", hub);
const thrower = await connect<Hub>(server.address);
await thrower.remote.subscribe(() => {
  throw new Error("not today");
});
await thrower.remote.subscribe(() => Promise.reject(new Error("nor tomorrow")));
const leaver = await connect<Hub>(server.address);
await leaver.remote.subscribe(() => new Promise(() => {}));
const told = await thrower.remote.say("one");
leaver.destroy();
while (server.connections.size > 1) await new Promise((resolve) => setImmediate(resolve));
await thrower.remote.say("two");
await new Promise((resolve) => setTimeout(resolve, 50));
const [connection] = [...server.connections];
process.stdout.write(`${JSON.stringify({ told, failed: connection!.stats().failedFunctionCalls })}\n`);
await thrower.close();
await server.close();
hub.say("three");
await new Promise((resolve) => setTimeout(resolve, 20));
