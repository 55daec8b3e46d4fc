import { Agent, Container } from "@colloquy/container";
import { MsgPackCodec } from "@colloquy/core";
import { expose, serve, Service } from "@colloquy/rpc";
import { sizeOf } from "./argument.ts";
import type { Offer } from "./points.ts";

/** What the methods and agents of a point can do. */
export interface Adder {
  add(a: number, b: number): number;
}

/** What takes the arguments that grow. */
export class Taker extends Service {
  @expose take(argument: unknown): number {
    return sizeOf(argument);
  }
}

class AddingAgent extends Agent implements Adder {
  @expose add(a: number, b: number): number {
    return a + b;
  }
}

const anyPort = "tcp://127.0.0.1:0";

/** The name of a method of a service with many. */
export function methodName(index: number): string {
  return `add${index}`;
}

/** Serves what the offer says; resolves with the addresses to connect to, one for each agent that may be called. */
export async function offer({ kind, count }: Offer, targetCount: number): Promise<readonly string[]> {
  if (kind === "methods") {
    const server = await serve(anyPort, serviceWith(count), { codec: MsgPackCodec });
    return [server.address];
  }
  const container = await Container.create(anyPort, { codec: MsgPackCodec });
  for (let index = 0; index < count; index++) await container.spawn(new AddingAgent());
  const { agents } = container;
  const step = agents.length / targetCount;
  return Array.from({ length: targetCount }, (_, index) => agents[Math.floor(index * step)]!.address);
}

/** A class with so many methods besides `take`. */
function serviceWith(count: number): Taker {
  class Methods extends Taker {}
  for (let index = 0; index < count; index++) {
    const method = expose((a: number, b: number) => a + b);
    Object.defineProperty(Methods.prototype, methodName(index), { value: method, configurable: true, writable: true });
  }
  return new Methods();
}
