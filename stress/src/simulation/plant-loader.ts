// Hooks of the module loader, in a thread of their own: they put a fault into the file of a plant as it is loaded.
import type { LoadFnOutput } from "node:module";
import { placeOf } from "./plants.ts";
import type { Plant } from "./plants.ts";

let plant: Plant | undefined;
let ending: RegExp | undefined;

export function initialize(given: Plant): void {
  plant = given;
  const [name, file] = given.file.split("/") as [string, string];
  ending = new RegExp(`/packages/${name}/(src|dist)/${file}\\.(ts|js)$`);
}

export async function load(
  url: string,
  context: object,
  nextLoad: (url: string, context: object) => Promise<LoadFnOutput>,
): Promise<LoadFnOutput> {
  const loaded = await nextLoad(url, context);
  if (plant === undefined || ending?.test(url.split("?")[0]!) !== true) return loaded;
  const source = Buffer.from(loaded.source as Uint8Array).toString("utf8");
  const place = placeOf(plant);
  if (source.split(place).length !== 2)
    throw new Error(`plant ${plant.name}: ${url} has "${plant.from}" not just once`);
  return { ...loaded, source: source.replace(place, () => plant!.to) };
}
