/** A contract net with deadlines on a clock that is set: a minute of a warehouse in no time, and the same each time. See README.md. */
import { Container, ExternalClock, coordinate } from "@colloquy/container";
import { Dispatcher } from "./dispatcher.ts";
import { readTasks, readTrucks } from "./tables.ts";
import { Truck } from "./truck.ts";

const END = 120;

const clock = new ExternalClock("2026-03-02T06:00:00Z");
// Two containers with one clock: what crosses between them is encoded, in a fixed order.
await using yard = await Container.create("local://yard", { clock, coordinated: true });
await using office = await Container.create("local://office", { clock, coordinated: true });

const addresses = new Map<string, string>();
for (const traits of readTrucks()) {
  const truck = await yard.spawn(new Truck(traits));
  addresses.set(traits.name, truck.address);
}
const report = (time: number, text: string): void => console.log(`${time.toFixed(1).padStart(5)} s  ${text}`);
const dispatcher = await office.spawn(new Dispatcher(report));
await dispatcher.meet(addresses);

const tasks = readTasks();
let doneCount = 0;
for (const task of tasks) {
  const start = (): unknown =>
    dispatcher.dispatch(task).then((text) => (doneCount += text.includes("is done by") ? 1 : 0));
  if (task.announcedAt > 0) clock.callAt(task.announcedAt, start);
  else start();
}
// From one due moment to the next, as soon as all messages of the one before have been handled.
await using coordinator = await coordinate([yard, office]);
await coordinator.advanceTo(END);
console.log(`${doneCount} of ${tasks.length} tasks are done`);
