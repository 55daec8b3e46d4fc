/**
 * What PyZMQ users know as zipped pickles: any object of the language, made small on its way. Structured clone is the pickle,
 * without its code; deflate is zlib.
 */
import { StructuredCloneCodec, compressed, connectChannel, serveChannels } from "@colloquy/core";

const ZippedCloneCodec = compressed(StructuredCloneCodec, { algorithm: "deflate" });

/** A day of readings of one sensor. */
interface Readings {
  readonly sensor: string;
  readonly day: Date;
  readonly tags: Set<string>;
  readonly byHour: Map<number, Float64Array>;
  self?: Readings;
}

function makeReadings(): Readings {
  const byHour = new Map<number, Float64Array>();
  for (let hour = 0; hour < 24; hour++) {
    byHour.set(
      hour,
      Float64Array.from({ length: 60 }, (_, minute) => Math.round(20 + 5 * Math.sin(hour + minute / 60))),
    );
  }
  const readings: Readings = {
    sensor: "north",
    day: new Date("2026-01-01T00:00:00Z"),
    tags: new Set(["roof"]),
    byHour,
  };
  // Cycles are no trouble.
  readings.self = readings;
  return readings;
}

for (const codec of [StructuredCloneCodec, ZippedCloneCodec]) {
  await using server = await serveChannels(
    "tcp://127.0.0.1:0",
    async (channel) => {
      for await (const request of channel) {
        const { byHour, day, tags, self } = request.content as Readings;
        const sameObject = self === request.content;
        await request.reply(
          `${byHour.size} hours of ${day.getUTCFullYear()}, ${[...tags].join()}, a cycle: ${sameObject}`,
        );
      }
    },
    { codec },
  );
  await using channel = await connectChannel(server.address, { codec, timeout: 5000 });
  const answer = await channel.send(makeReadings());
  const isSmall = channel.stats().sentBytes < 4000;
  console.log(`${codec.name}: ${String(answer)}; ${isSmall ? "below" : "above"} 4,000 bytes`);
}
