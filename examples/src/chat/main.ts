/** A chat room whose server forgets those who leave, however they do. Plays script.txt with a connection for each member. See README.md. */
import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { serve } from "@colloquy/rpc";
import { Member } from "./member.ts";
import { Room } from "./room.ts";

const script = readFileSync(fileURLToPath(new URL("../../src/chat/script.txt", import.meta.url)), "utf8");

const members = new Map<string, Member>();
const everybody: Member[] = [];
const room = new Room((text) => console.log(`        (${text})`));
await using server = await serve("tcp://127.0.0.1:0", room);

for (const line of script.split("\n").filter((text) => text !== "" && !text.startsWith("#"))) {
  const [, name, verb, text = ""] = /^(\w+) (joins|says|drops|leaves|stops listening) ?(.*)$/.exec(line)!;
  await play(name!, verb!, text);
}
for (const name of members.keys()) await play(name, "leaves", "");
console.log(`nobody is left, and ${room.listenerCount} listeners`);
for (const { name, heard } of everybody) {
  const words = heard.filter(({ from }) => from !== "room").map(({ from, text }) => `${from}: ${text.split(" ")[0]}`);
  console.log(`${name} has heard ${words.join(", ")}`);
}

async function play(name: string, verb: string, text: string): Promise<void> {
  const before = server.connections.size;
  switch (verb) {
    case "joins": {
      const member = await Member.join(server.address, name);
      members.set(name, member);
      everybody.push(member);
      return;
    }
    case "says":
      console.log(`${name.padStart(6)}: ${text}`);
      return members.get(name)!.say(text);
    case "stops listening":
      return members.get(name)!.stopListening();
    case "leaves":
      await members.get(name)!.leave();
      break;
    default:
      members.get(name)!.drop();
  }
  members.delete(name);
  // The next line comes when the server knows.
  await until(() => server.connections.size < before);
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await pause(1);
}
