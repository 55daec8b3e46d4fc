/** A fault that is put into the packages on purpose: one expression of one file is replaced as the file is loaded. */
export interface Plant {
  readonly name: string;
  /** `core/pending`: the file, without what depends on whether it is compiled. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

/** What a simulation has to find. Expressions are such as a compiler leaves as they are, but for where their lines break. */
export const PLANTS: readonly Plant[] = [
  {
    name: "lost settle",
    file: "core/pending",
    from: "if (isResult) call.onResult(content)",
    to: "if (isResult) void (id % 7 === 3 || call.onResult(content))",
  },
  {
    name: "calls left behind at the end",
    file: "core/lost-connection",
    from: "for (const call of calls.sent) call",
    to: "for (const call of calls.sent.slice(1)) call",
  },
  {
    name: "limit off by one",
    file: "core/running-requests",
    from: "this.size + waitingCount < this.#maxCount",
    to: "this.size + waitingCount <= this.#maxCount",
  },
  {
    name: "reply sent twice",
    file: "core/endpoint",
    from: "this.#outbox.result(id, value, urgent)",
    to: "(this.#outbox.result(id, value, urgent), id % 5 === 4 && this.#outbox.result(id, value, urgent))",
  },
  {
    name: "reply to another id",
    file: "core/endpoint",
    from: "this.#outbox.result(id, value, urgent)",
    to: "this.#outbox.result(id > 4 ? id ^ 1 : id, value, urgent)",
  },
  {
    name: "executed: no for calls that ran",
    file: "core/lost-connection",
    from: 'lostConnection(remoteAddress, cause, "unknown", closer)',
    to: 'lostConnection(remoteAddress, cause, "no", closer)',
  },
  {
    name: "what is on its way forgotten at the end",
    file: "core/endpoint",
    from: "|| this.#inbox.isReceiving",
    to: "",
  },
  {
    name: "output without a bound",
    file: "core/outbox",
    from: "this.#waiting.length > 0 || this.#congested",
    to: "this.#waiting.length > 0",
  },
  {
    name: "call starts behind the next one",
    file: "rpc/incoming",
    from: "this.#dispatcher.run(id, request)",
    to: "id % 3 === 1 ? setImmediate(() => this.#dispatcher.run(id, request)) : this.#dispatcher.run(id, request)",
  },
  {
    name: "ping refused where calls are",
    file: "core/outbox",
    from: "this.#pending.full && call.vital !== true",
    to: "this.#pending.full",
  },
  {
    name: "slot freed on cancel",
    file: "rpc/control-service",
    from: "this.#dispatcher.cancel(id, isLate)",
    to: 'this.#dispatcher.cancel(id, isLate), this.#endpoint.fail(id, new Error("given up"))',
  },
  {
    name: "reference released too often",
    file: "rpc/imports",
    from: "this.#released.push([id, entry.count])",
    to: "this.#released.push([id, entry.count + 1])",
  },
  {
    name: "reference released twice",
    file: "rpc/imports",
    from: "if (this.released) return",
    to: "if (false) return",
  },
  {
    name: "release that ignores the count",
    file: "rpc/exports",
    from: "entry.count -= count",
    to: "entry.count = 0",
  },
  {
    name: "number of a reference used twice",
    file: "rpc/exports",
    from: "id: this.#nextId++",
    to: "id: this.#byId.size + 1",
  },
  {
    name: "release lost where much waits",
    file: "rpc/outgoing-calls",
    from: "this.#endpoint.notify([path, args, NO_KWARGS], true)",
    to: "this.#endpoint.notify([path, args, NO_KWARGS], false)",
  },
  {
    name: "goaway ignored",
    file: "rpc/connection",
    from: "this.#calls.goneAway = true",
    to: "void 0",
  },
  {
    name: "timer left after the end",
    file: "rpc/connection",
    from: "this.#heartbeat?.stop()",
    to: "void 0",
  },
  {
    name: "end told before calls have settled",
    file: "rpc/connection",
    from: "setImmediate(() => {",
    to: "((tell) => tell())(() => {",
  },
  {
    name: "retry of what may have run",
    file: "rpc/retries",
    from: 'error.executed === "unknown" && this.#options.idempotent !== true',
    to: "false",
  },
  {
    name: "stream item dropped",
    file: "rpc/outgoing-stream",
    from: "pull.resolve([items, isAll",
    to: "pull.resolve([items.length > 3 ? items.slice(1) : items, isAll",
  },
  {
    name: "stream items taken in the wrong order",
    file: "rpc/unread-bytes",
    from: "this.#nextItems = items;",
    to: "[this.#items, this.#nextItems, this.#readCount] = [items, this.#items.slice(this.#readCount), 0];",
  },
  {
    name: "held bytes never released",
    file: "core/held-bytes",
    from: "this.#held -= Math.abs(kept)",
    to: "void kept",
  },
  {
    name: "held bytes without a bound",
    file: "core/held-bytes",
    from: "if (held === 0 || held + this.#charge <= this.#most)",
    to: "if (true)",
  },
  {
    name: "listeners of signals left",
    file: "rpc/abort-listeners",
    from: "const shared = sharedBySignal.get(signal)",
    to: "const shared = undefined",
  },
  {
    name: "stream that listens when its connection has ended",
    file: "rpc/imports",
    from: "stream.onClosed()",
    to: "void stream",
  },
  {
    name: "streams counted when the connection has ended",
    file: "rpc/imports",
    from: "this.#streamCount = 0",
    to: "void 0",
  },
  {
    name: "signals left when the connection has ended",
    file: "rpc/signals",
    from: "this.#own.clear()",
    to: "void 0",
  },
  {
    name: "signal that fires and isn't told",
    file: "rpc/signals",
    from: "this.#teller.sendAborted(id, reason)",
    to: "void 0",
  },
  {
    name: "results kept when the connection has ended",
    file: "rpc/recent-results",
    from: "this.#ids = undefined",
    to: "void 0",
  },
  {
    name: "notifications counted that have ended",
    file: "rpc/dispatcher",
    from: "this.#quietCount--",
    to: "id % 3 !== 0 && this.#quietCount--",
  },
  {
    name: "connection ended by another one of its client",
    file: "rpc/server",
    from: "void accept(connection, root, options)",
    to: "accept(connection, root, options).then(() => connections.forEach((other) => other !== connection && other.root === connection.root && other.destroy()))",
  },
  {
    name: "agent that goes on behind its end",
    file: "container/agent-lives",
    from: "this.#agents.leave(seat, agent)",
    to: "(life.end = async () => {})",
  },
  {
    name: "mailbox left open at the end of its agent",
    file: "container/agent-life",
    from: "this.#mailbox.close()",
    to: "void 0",
  },
  {
    name: "number of an agent used twice",
    file: "container/agent-table",
    from: "return String(this.#nextId++)",
    to: "return String(this.#nextId)",
  },
  {
    name: "monitor forgotten when its connection has ended",
    file: "container/monitored-connection",
    from: "for (const number of this.#watches.keys())",
    to: "for (const number of [])",
  },
  {
    name: "monitor that isn't told of ends",
    file: "container/watchers",
    from: "void this.#tellEnded()",
    to: "void 0",
  },
  {
    name: "monitor told and taken back",
    file: "container/monitored-connection",
    from: "if (!this.#done) this.#finish(reason)",
    to: "this.#finish(reason)",
  },
  {
    name: "copies of results that are never released",
    file: "core/held-bytes",
    from: "this.#held -= bytes",
    to: "void bytes",
  },
  {
    name: "cancelled calls that aren't told",
    file: "rpc/dispatcher",
    from: "this.#scopes.find(id)?.cancel(isLate)",
    to: "void isLate",
  },
  {
    name: "another result among the arguments",
    file: "rpc/result-calls",
    from: "({ id }) => results.get(id)",
    to: "({ id }) => results.get(id - 1)",
  },
];

/** Where it is put in. Compilers break lines, and leave out blanks, in their own way. */
export function placeOf({ from }: Plant): RegExp {
  const escaped = from.replaceAll(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`);
  return new RegExp(escaped.replaceAll(" ", String.raw`\s*`));
}
