import { Service, connect, expose, serve } from "@colloquy/rpc";

// Run with --expose-gc: what happens to references that nothing holds any more. Prints one line for each question.
const collect = (globalThis as unknown as { gc(): void }).gc;

function print(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

async function turns(count: number): Promise<void> {
  for (let index = 0; index < count; index++) await new Promise((resolve) => setImmediate(resolve));
}

/** Collects until `condition` holds; false after a while. */
async function collected(condition: () => boolean): Promise<boolean> {
  for (let round = 0; round < 50 && !condition(); round++) {
    collect();
    await turns(4);
  }
  return condition();
}

class Source extends Service {
  finish: (() => void)[] = [];
  started = 0;
  @expose slow(): () => Promise<string> {
    return () => {
      this.started++;
      return new Promise((resolve) => this.finish.push(() => resolve("done")));
    };
  }
  @expose service(): Slow {
    return new Slow(this);
  }
  @expose many(count: number): (() => number)[] {
    return Array.from({ length: count }, (_, index) => () => index);
  }
}

class Slow extends Service {
  readonly source: Source;
  constructor(source: Source) {
    super();
    this.source = source;
  }
  @expose wait(): Promise<string> {
    this.source.started++;
    return new Promise((resolve) => this.source.finish.push(() => resolve("done")));
  }
}

const source = new Source();
const server = await serve("local://collected", source);
const connection = await connect<Source>(server.address);
const [peer] = [...server.connections];
const exported = (): number => peer!.stats().exportedReferences;

// A call in flight on a function and on a service that nothing else holds.
for (const start of [
  async () => (await connection.remote.slow())(),
  async () => (await connection.remote.service()).wait(),
]) {
  source.started = 0;
  const call = start();
  while (source.started === 0) await turns(1);
  const before = exported();
  for (let round = 0; round < 10; round++) {
    collect();
    await turns(2);
  }
  const during = exported();
  for (const finish of source.finish.splice(0)) finish();
  const result = await call;
  print({ result, before, during, released: await collected(() => exported() === 0) });
}

// A method taken off a service keeps it; so does a proxy below it.
let wait: (() => Promise<string>) | undefined = (await connection.remote.service()).wait;
const kept = !(await collected(() => exported() === 0));
const call = wait();
wait = undefined;
while (source.finish.length === 0) await turns(1);
for (const finish of source.finish.splice(0)) finish();
print({ kept, result: await call, released: await collected(() => exported() === 0) });

// One of many stays in use.
let held: (() => Promise<number>) | undefined = (await connection.remote.many(500))[250];
const one = await collected(() => exported() === 1);
const answer = await held!();
held = undefined;
print({
  one,
  answer,
  released: await collected(() => exported() === 0 && connection.stats().importedReferences === 0),
});

// Collected and sent again at the same time: a new proxy works.
const again: string[] = [];
const fixed = (): string => "again";
class Fixed extends Service {
  @expose give(): () => string {
    return fixed;
  }
}
const second = await serve("local://collected-again", new Fixed());
const other = await connect<Fixed>(second.address);
async function callOnce(collecting: boolean): Promise<void> {
  const fn = await other.remote.give();
  if (collecting) collect();
  again.push(await fn());
}
for (let round = 0; round < 200; round++) await callOnce(round % 3 === 0);
const [otherPeer] = [...second.connections];
print({
  again: again.every((text) => text === "again"),
  released: await collected(() => otherPeer!.stats().exportedReferences === 0),
});

await Promise.all([connection.close(), other.close()]);
await Promise.all([server.close(), second.close()]);
