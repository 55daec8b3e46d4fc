import { expect, test } from "vitest";
import type { SerializerFactory } from "@colloquy/core";
import { Service, connect, expose, serve } from "../src/index.ts";
import { failureOf, newAddress } from "./support.ts";

class Point {}
class Line {}

class Desk extends Service {
  @expose ping(): string {
    return "pong";
  }
}

const point: SerializerFactory<Point> = () => [Point, () => 1, () => new Point()];
const line: SerializerFactory<Line> = () => [Line, () => 2, () => new Line()];

test("D4 types in another order on the two sides are an error of connect that names them", async () => {
  await using server = await serve(newAddress(), new Desk(), { extraSerializers: [point, line] });
  const error = await failureOf(connect(server.address, { extraSerializers: [line, point] }));
  expect(error.code).toBe("PROTOCOL_ERROR");
  expect(error.message).toContain("Point");
  expect(error.message).toContain("Line");
  await using connection = await connect<Desk>(server.address, { extraSerializers: [point, line] });
  expect(await connection.remote.ping()).toBe("pong");
});
