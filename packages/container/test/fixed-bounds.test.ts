import { describe, expect, test } from "vitest";
import { Agent, Container } from "../src/index.ts";

class Room extends Agent {}

describe("fixed bounds at their edges:", () => {
  test("id that is given to an agent", async () => {
    await using container = await Container.create("local://fixed-bounds");
    const found = [];
    for (const length of [63, 64, 65]) {
      found.push(
        await container.spawn(new Room(), { id: "x".repeat(length) }).then(
          () => true,
          () => false,
        ),
      );
    }
    expect(found).toEqual([true, true, false]);
  });
});
