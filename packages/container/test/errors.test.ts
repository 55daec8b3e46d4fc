import { ColloquyError, PublicError, expose } from "@colloquy/rpc";
import { expect, test } from "vitest";
import { Agent, Container } from "../src/index.ts";
import { newAddress, newContainer } from "./support.ts";

class Busy extends PublicError {
  readonly after = 5;
}

class Worker extends Agent {
  @expose work(): void {
    throw new Busy("busy");
  }
  @expose override fail(): void {
    throw new TypeError("secret");
  }
}

test("errors of agents follow the `errors` option of their container, and arrive by that of the caller's", async () => {
  const ids: (string | undefined)[] = [];
  const there = await newContainer(newAddress(), {
    errors: { allow: "none" },
    onMethodFailure: (_error, _path, id) => void ids.push(id),
  });
  const here = await newContainer(newAddress(), { errors: { known: [Busy] } });
  const worker = await here.connect<Worker>((await there.spawn(new Worker())).address);
  const busy: unknown = await worker.work().catch((error: unknown) => error);
  expect(busy).toBeInstanceOf(Busy);
  expect(busy).toMatchObject({ after: 5, message: "busy", executed: "yes" });
  const failure: unknown = await worker.fail().catch((error: unknown) => error);
  expect(failure).toMatchObject({ fields: { errorId: expect.any(String) } });
  expect(ids).toEqual([undefined, (failure as { fields: { errorId: string } }).fields.errorId]);
  expect(String(failure)).not.toContain("secret");
});

test("a malformed `errors` option is refused", async () => {
  const created = Container.create(newAddress(), { errors: { known: [class {} as never] } });
  await expect(created).rejects.toBeInstanceOf(ColloquyError);
});
