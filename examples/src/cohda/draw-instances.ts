/** Writes instances/small.json: node draw-instances.js. Seeds 1 to 20, none left out. */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { drawInstance } from "./instance.ts";

const size = { unitCount: 6, scheduleCount: 5, intervalCount: 12 };
const instances = Array.from({ length: 20 }, (_, at) => JSON.stringify(drawInstance(at + 1, size)));
const file = fileURLToPath(new URL("../../src/cohda/instances/small.json", import.meta.url));
writeFileSync(file, `[\n${instances.join(",\n")}\n]\n`);
