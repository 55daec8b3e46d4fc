// The program of a child process: the server or the client of one point.
import { answerQuestions } from "../subprocess.ts";
import { Load } from "./client-side.ts";
import type { Point } from "./points.ts";
import { offer } from "./server-side.ts";

/** What the parent asks. Servers know `offer` and `mark`, clients all but `offer`. */
export type GrowthQuestion =
  | { readonly kind: "offer"; readonly point: Point }
  | { readonly kind: "start"; readonly point: Point; readonly addresses: readonly string[] }
  | { readonly kind: "until"; readonly completed: number }
  | { readonly kind: "mark" }
  | { readonly kind: "stop" };

/** Where a process stands. */
export interface Mark {
  readonly ms: number;
  /** Time of CPU that all threads of the process have used. */
  readonly cpuUs: number;
  readonly completed: number;
}

let load: Load | undefined;

answerQuestions(async (question: GrowthQuestion) => {
  switch (question.kind) {
    case "offer":
      return offer(question.point.offer, question.point.offer.kind === "agents" ? question.point.targetCount : 1);
    case "start":
      load = await Load.start(question.point, question.addresses);
      return undefined;
    case "until":
      return load?.until(question.completed);
    case "mark":
      return mark();
    case "stop":
      return load?.stop();
  }
});

function mark(): Mark {
  const { user, system } = process.cpuUsage();
  return { ms: performance.now(), cpuUs: user + system, completed: load?.completed ?? 0 };
}
