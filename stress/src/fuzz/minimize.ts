/** The shortest input found, in `limitMs`, for which `fails` still holds: runs of bytes are left out, then bytes become 0. */
export async function minimized(
  input: Buffer,
  fails: (candidate: Buffer) => Promise<boolean>,
  limitMs: number,
): Promise<Buffer> {
  const end = performance.now() + limitMs;
  let best = input;
  for (let run = best.length >> 1; run >= 1; run >>= 1) {
    for (let at = 0; at + run <= best.length && performance.now() < end;) {
      const candidate = Buffer.concat([best.subarray(0, at), best.subarray(at + run)]);
      if (await fails(candidate)) best = candidate;
      else at += run;
    }
  }
  for (let at = 0; at < best.length && performance.now() < end; at++) {
    if (best[at] === 0) continue;
    const candidate = Buffer.from(best);
    candidate[at] = 0;
    if (await fails(candidate)) best = candidate;
  }
  return best;
}
