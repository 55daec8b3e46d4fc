import { beforeEach } from "vitest";
import { RUNS_ONCE } from "./ways.ts";

/** Of the second run, over TCP. */
beforeEach(({ task, skip }) => {
  const once = [...RUNS_ONCE.ownSocket, ...RUNS_ONCE.inProcess];
  skip(
    once.some((name) => task.name.startsWith(name)),
    "runs once",
  );
});
