import { Agent } from "@colloquy/container";
import { PublicError, Service, expose, type CallContext } from "@colloquy/rpc";

const mostNumbers = 20;
const mostSubscribers = 4;

type Callback = (...args: unknown[]) => unknown;

class Inner extends Service {
  @expose add(a: unknown, b: unknown): unknown {
    return [a, b];
  }
}

/** What a service does with what it gets, a careless one too: each method has a counterpart in many programs. */
const methods = {
  echo: (value: unknown): unknown => value,
  add: (a: unknown, b: unknown): number => Number(a) + Number(b),
  text: (value: unknown): string => String(value),
  fail(): never {
    throw new PublicError("refused", { fields: { why: 7 } });
  },
  async *numbers(to: unknown): AsyncGenerator<number> {
    for (let number = 0; number < Math.min(Number(to) || 3, mostNumbers); number++) yield number;
  },
  callBack: async (call: Callback): Promise<unknown> => call(1),
  give: (): Callback => () => 1,
  giveService: (): Inner => new Inner(),
  async hold(signal: AbortSignal): Promise<string> {
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve));
    return "aborted";
  },
  async sum(numbers: AsyncIterable<number>): Promise<number> {
    let sum = 0;
    for await (const number of numbers) if ((sum += number) > 1000) break;
    return sum;
  },
};

/** Functions of others that are called whenever a new one comes. Those of peers that are gone fail. */
class Subscribers {
  readonly #calls: Callback[] = [];

  add(call: Callback): void {
    if (typeof call !== "function") throw new PublicError("no function");
    if (this.#calls.push(call) > mostSubscribers) this.#calls.shift();
    for (const one of this.#calls) Promise.resolve(one("news")).catch(() => {});
  }
}

/** The root of servers and clients. */
export class Root extends Service {
  readonly #subscribers = new Subscribers();
  @expose readonly math = new Inner();
  @expose readonly echo = methods.echo;
  @expose readonly add = methods.add;
  @expose readonly text = methods.text;
  @expose readonly fail = methods.fail;
  @expose readonly numbers = methods.numbers;
  @expose readonly callBack = methods.callBack;
  @expose readonly give = methods.give;
  @expose readonly giveService = methods.giveService;
  @expose readonly sum = methods.sum;
  @expose readonly watch = methods.hold;

  @expose({ context: true }) hold(context: CallContext): Promise<string> {
    return methods.hold(context.signal);
  }

  @expose subscribe(call: Callback): void {
    this.#subscribers.add(call);
  }
}

/** The same as an agent. */
export class Host extends Agent {
  @expose readonly echo = methods.echo;
  @expose readonly text = methods.text;
  @expose readonly numbers = methods.numbers;
  @expose readonly callBack = methods.callBack;
  @expose readonly sum = methods.sum;

  @expose({ context: true }) hold(context: CallContext): Promise<string> {
    return methods.hold(context.signal);
  }
}
