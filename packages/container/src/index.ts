/**
 * Agents, containers, clocks and processes.
 *
 * @packageDocumentation
 */
export { parseAgentAddress } from "./address.ts";
export type { AgentAddress } from "./address.ts";
export { Agent } from "./agent.ts";
export type {
  AgentChild,
  AgentHome,
  MonitorListener,
  MonitorReason,
  OpenOptions,
  TaskFailureListener,
} from "./agent.ts";
export type { GiveUpListener } from "./agent-lives.ts";
export type { ChildState } from "./child-entry.ts";
export type { ChildHome, ChildSpec, SupervisedChild } from "./child-spec.ts";
export { Clock } from "./clock.ts";
export type { ClockDate, ClockMoment, TimerHandle, WaitOptions } from "./clock.ts";
export { Container } from "./container.ts";
export type { ContainerOptions } from "./container.ts";
export { dateSerializer } from "./date-serializer.ts";
export type { EndReason, Ending, RestartType } from "./endings.ts";
export { ExternalClock } from "./external-clock.ts";
export type { ExternalClockOptions } from "./external-clock.ts";
export { launch } from "./launch.ts";
export type { LaunchExit, LaunchOptions, LaunchedContainer } from "./launch.ts";
export type { LaunchContext } from "./launched.ts";
export type { RestartOptions } from "./restart-policy.ts";
export type { AgentOptions, ChildOptions, SpawnOptions } from "./spawn-options.ts";
export { supervise } from "./supervise.ts";
export type { SuperviseOptions } from "./supervise.ts";
export { Supervisor } from "./supervisor.ts";
export type { RestartListener, Strategy, SupervisorChild } from "./supervisor.ts";
export { SystemClock } from "./system-clock.ts";
/** luxon's class of dates, the very one that containers send: a second copy of luxon has another. */
export { DateTime } from "luxon";
