/**
 * Agents, containers, clocks and processes.
 *
 * @packageDocumentation
 */
export type { MailboxMode } from "./mailbox.ts";
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
export type { ContainerStats } from "./container-stats.ts";
export type { ContainerOptions } from "./container-setup.ts";
export type { BusyWork } from "./busy-work.ts";
export { coordinate } from "./coordinator.ts";
export type { CoordinateOptions, CoordinatedContainer, Coordinator } from "./coordinator.ts";
export { dateSerializer } from "./date-serializer.ts";
export type { EndReason, Ending, RestartType } from "./endings.ts";
export { ExternalClock } from "./external-clock.ts";
export type { ExternalClockOptions } from "./external-clock.ts";
export { launch } from "./launch.ts";
export { launchAll } from "./launch-all.ts";
export type { LaunchOptions } from "./launch-options.ts";
export type { LaunchedContainer } from "./launching.ts";
export type { LaunchContext } from "./launched.ts";
export type { LogListener, LogStream } from "./log-lines.ts";
export { managed } from "./managed.ts";
export type { ManagedOptions } from "./managed.ts";
export { Manager } from "./manager.ts";
export type { AgentFactory, ManagerLoad, ManagerOptions } from "./manager.ts";
export { launchPool } from "./launch-pool.ts";
export type { PoolOptions } from "./launch-pool.ts";
export { Pool } from "./pool.ts";
export type { Placement, PoolMember, PoolSpawned } from "./pool.ts";
export { processChild } from "./process-child.ts";
export type { ProcessChild, ProcessChildOptions, SupervisedProcess } from "./process-child.ts";
export type { LaunchExit } from "./runner.ts";
export type { RestartOptions } from "./restart-policy.ts";
export type { AgentOptions, ChildOptions, SpawnOptions } from "./spawn-options.ts";
export { supervise } from "./supervise.ts";
export type { SuperviseOptions } from "./supervise.ts";
export { Supervisor } from "./supervisor.ts";
export type { RestartListener, Strategy, SupervisorChild } from "./supervisor.ts";
export { simulate } from "./simulate.ts";
export type { SimulateOptions, SimulatedContainerOptions, SimulatedRun, SimulatedWorld } from "./simulate.ts";
export type { Delivery } from "./simulated-network.ts";
export type { Drawn, MessageKind, SimulatedMessage, SimulationModel } from "./simulation-model.ts";
export { SystemClock } from "./system-clock.ts";
/** luxon's class of dates, the very one that containers send: a second copy of luxon has another. */
export { DateTime } from "luxon";
