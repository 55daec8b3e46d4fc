import type { EndpointStats } from "./endpoint-handler.ts";
import type { Inbox } from "./inbox.ts";
import type { Outbox } from "./outbox.ts";
import type { PendingCalls } from "./pending.ts";
import type { RunningRequests } from "./running-requests.ts";

/** The counters of an endpoint, from what keeps them. */
export function statsOf(outbox: Outbox, inbox: Inbox, pending: PendingCalls, running: RunningRequests): EndpointStats {
  return {
    sentMessages: outbox.sentMessages,
    sentBytes: outbox.frames.sentBytes,
    receivedMessages: inbox.receivedMessages,
    receivedBytes: inbox.receivedBytes,
    pending: pending.liveCount,
    running: running.size,
    heldBytes: running.heldBytes,
    waiting: outbox.waitingCount,
    queuedBytes: outbox.frames.queuedBytes,
    lateAnswers: pending.lateCount,
  };
}
