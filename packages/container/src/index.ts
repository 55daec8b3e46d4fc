/**
 * Agents, containers, clocks and processes.
 *
 * @packageDocumentation
 */
export type { MailboxMode } from "./mailbox.ts";
export { parseAgentAddress } from "./address.ts";
export type { AgentAddress } from "./address.ts";
export { Agent } from "./agent.ts";
export type { AgentHome, OpenOptions, SpawnOptions, TaskFailureListener } from "./agent.ts";
export { Clock } from "./clock.ts";
export type { ClockDate, ClockMoment, TimerHandle, WaitOptions } from "./clock.ts";
export { Container } from "./container.ts";
export type { ContainerOptions } from "./container.ts";
export { dateSerializer } from "./date-serializer.ts";
export { ExternalClock } from "./external-clock.ts";
export type { ExternalClockOptions } from "./external-clock.ts";
export { launch } from "./launch.ts";
export type { LaunchExit, LaunchOptions, LaunchedContainer } from "./launch.ts";
export type { LaunchContext } from "./launched.ts";
export { SystemClock } from "./system-clock.ts";
/** luxon's class of dates, the very one that containers send: a second copy of luxon has another. */
export { DateTime } from "luxon";
