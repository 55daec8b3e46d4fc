// The program of a child process: one codec and one sample.
import type { Timing } from "../measure.ts";
import { answerQuestions } from "../subprocess.ts";
import { codecs } from "./codecs.ts";
import { measureCodec, type CodecMeasurement } from "./measure.ts";
import { samples } from "./samples.ts";

/** What a child process is started for. */
export interface CodecQuestion {
  readonly codec: string;
  readonly sample: string;
  readonly timing: Timing;
}

/** What it has found. */
export interface CodecAnswer {
  readonly measurement: CodecMeasurement;
  readonly versions: Readonly<Record<string, string>>;
}

answerQuestions(async (question: CodecQuestion): Promise<CodecAnswer> => {
  const load = Object.hasOwn(codecs, question.codec) ? codecs[question.codec] : undefined;
  const sample = samples.find(({ name }) => name === question.sample);
  if (load === undefined || sample === undefined) throw new Error(`no ${question.codec} or no ${question.sample}`);
  const codec = await load();
  return { measurement: measureCodec(codec, sample.make(), question.timing), versions: codec.versions };
});
