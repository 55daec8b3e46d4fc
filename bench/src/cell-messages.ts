import type { CellSize } from "./many-connections.ts";
import type { Measurement } from "./measure.ts";

/** What a child process is started for; travels as JSON in its first argument. */
export type CellOrder =
  | { readonly role: "server"; readonly peer: string; readonly workload: string; readonly size: CellSize }
  | {
      readonly role: "client";
      readonly peer: string;
      readonly workload: string;
      readonly size: CellSize;
      readonly address: string;
    };

/** What a child process tells its parent. */
export type CellReport =
  | { readonly kind: "ready"; readonly address: string; readonly versions: Readonly<Record<string, string>> }
  | { readonly kind: "left out"; readonly reason: string }
  /** The client wants to know the memory of the server; the parent passes that on. */
  | { readonly kind: "memory wanted" }
  | { readonly kind: "memory"; readonly bytes: number }
  | { readonly kind: "measured"; readonly measurement: Measurement }
  | { readonly kind: "closed" }
  | { readonly kind: "failed"; readonly reason: string };

/** What the parent tells a child: the server that its client is done or wants its memory, the client that memory. */
export type CellRequest =
  | { readonly kind: "close" }
  | { readonly kind: "memory" }
  | { readonly kind: "server memory"; readonly bytes: number };
