import { expect, it } from "vitest";
import { PeerNumbers } from "../src/peer-numbers.ts";

it("keeps numbers of any size apart", () => {
  const numbers = [0, -1, 1, 2 ** 31 - 1, -(2 ** 31), 2 ** 31, 2 ** 32, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER, 1.5];
  const values = new PeerNumbers<number>();
  for (const number of numbers) values.set(number, number);
  expect(values.size).toBe(numbers.length);
  for (const number of numbers) expect(values.get(number)).toBe(number);
  expect([...values.values()]).toStrictEqual(numbers);
  for (const number of numbers) expect(values.delete(number)).toBe(true);
  expect(values.size).toBe(0);
  expect(values.has(0)).toBe(false);
  expect(values.delete(0)).toBe(false);
});
