/** A line through samples. */
export interface Slope {
  readonly perHour: number;
  /** Half of the 95 % confidence interval. */
  readonly margin: number;
}

/** Two-sided 95 % of Student's t for few degrees of freedom; beyond these the normal distribution is near. */
const students = [12.71, 4.3, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.2, 2.18, 2.16, 2.14, 2.13];
const normal = 2.05;

/** With fewer, half of the confidence interval is so wide that hardly anything rises surely. */
const leastPoints = 5;

/** Least squares through (hours, value). Undefined: they are too few to say anything. */
export function slopeOf(points: readonly (readonly [hours: number, value: number])[]): Slope | undefined {
  const count = points.length;
  const freedom = count - 2;
  if (count < leastPoints) return undefined;
  const mean = (place: 0 | 1): number => points.reduce((sum, point) => sum + point[place], 0) / count;
  const [meanHours, meanValue] = [mean(0), mean(1)];
  let [run, rise] = [0, 0];
  for (const [hours, value] of points) {
    run += (hours - meanHours) ** 2;
    rise += (hours - meanHours) * (value - meanValue);
  }
  const perHour = rise / run;
  const left = points.reduce(
    (sum, [hours, value]) => sum + (value - meanValue - perHour * (hours - meanHours)) ** 2,
    0,
  );
  const error = Math.sqrt(left / freedom / run);
  return { perHour, margin: error * (students[freedom - 1] ?? normal) };
}
