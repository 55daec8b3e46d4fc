/** Batteries for mosaik's co-simulations: `main HOST:PORT` connects to mosaik, `main --remote HOST:PORT` waits for it. See README.md. */
import { runSimulator } from "@colloquy/container/mosaik";
import { BatterySimulator } from "./battery.ts";

try {
  await runSimulator(new BatterySimulator(), process.argv);
} catch (error) {
  console.error(`error: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
