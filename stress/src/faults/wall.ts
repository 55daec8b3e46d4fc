/** Milliseconds that processes of one machine agree on. */
export function wallMs(): number {
  return performance.timeOrigin + performance.now();
}
