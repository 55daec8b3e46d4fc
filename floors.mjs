// The floors of each package, from the bottom to the top. A file may import
//
// - files of strictly lower floors of its own package, never its own `index.ts`;
// - the public entry of the packages under `imports` (`testing.ts` also their `/testing` entry);
// - what is listed under `external` (packages) and the `node:` modules, with one exception:
//   the modules in `outsideModules` are only for the files under `outside`.
//
// A name is a path below `src` without its ending. Every source file stands here; a name without a file is fine.
// The linter and `scripts/check-floors.mjs` read this table, so a change here is all that is needed.

/** Built-in modules that touch the outside world. */
export const outsideModules = [
  "child_process",
  "dgram",
  "fs",
  "http",
  "http2",
  "https",
  "net",
  "tls",
  "worker_threads",
];

export const packages = {
  core: {
    imports: [],
    external: [],
    outside: ["tcp-transport", "socket-reader"],
    floors: [
      ["errors", "slabs", "attempt-limit"],
      [
        "decoded-cost",
        "limits",
        "byte-writer",
        "deferred",
        "queue",
        "address",
        "message",
        "warn",
        "exception",
        "tls-options",
      ],
      ["frame-body", "transport", "conditions", "segment-window", "shape-code", "stall-watch", "endpoint-handler"],
      ["extended-frames", "utf8", "key-cache", "index-key-cost", "shape-functions"],
      ["running-requests", "segments", "frame-decoder", "incoming-segments", "frame-writer"],
      ["shipment"],
      ["announcements"],
      ["serializers", "outgoing-segments", "standard-errors"],
      ["lower-lift"],
      ["encoding-failures"],
      ["shapes", "msgpack-writing"],
      ["codec", "json-check", "json-encoder", "msgpack-encoder"],
      ["msgpack-decoder", "standard-types", "hello"],
      ["json-codec", "msgpack-codec", "serializable", "pending"],
      ["waiting-messages"],
      ["message-writer"],
      ["outbox", "inbox", "known-codecs"],
      ["endpoint"],
      ["channel-hello"],
      ["channel"],
      ["socket-reader"],
      ["tcp-transport", "local-transport"],
      ["transports"],
      ["connect-channel"],
      ["serve-channels"],
      ["codec-contract", "transport-contract"],
      ["index", "testing"],
    ],
  },
  rpc: {
    imports: ["core"],
    external: [],
    outside: [],
    floors: [
      ["path", "parameters", "collect", "guard"],
      ["silent-failures", "close-listeners"],
      ["proxy", "expose", "context"],
      ["members"],
      ["arguments", "router", "exports", "imports", "call", "options", "types"],
      ["binding", "greeting", "dispatcher", "connection-setup"],
      ["control"],
      ["incoming"],
      ["connection"],
      ["client", "server"],
      ["index"],
    ],
  },
  container: {
    imports: ["rpc", "core"],
    external: ["luxon"],
    outside: ["launch", "launched-main"],
    floors: [
      ["address", "timer-heap", "ticks", "wait-limit"],
      ["clock"],
      ["system-clock"],
      ["external-clock", "clock-contract", "date-serializer"],
      ["agent"],
      ["agent-table", "remote-containers"],
      ["agent-caller"],
      ["container"],
      ["launched"],
      ["launch", "launched-main"],
      ["index", "testing"],
    ],
  },
};
