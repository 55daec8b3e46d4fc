import { Channel } from "./channel.ts";
import { CHANNEL_OPTIONS } from "./connect-channel.ts";
import type { ChannelOptions } from "./connect-channel.ts";
import { resolveErrors } from "./error-rules.ts";
import { ColloquyError, describeType } from "./errors.ts";
import { JsonCodec } from "./json-codec.ts";
import { checkCodecOption, codecFor, factoriesOf } from "./known-codecs.ts";
import type { CodecOption } from "./known-codecs.ts";
import { resolveLimits } from "./limits.ts";
import { CLOSE_OPTIONS, OPTION, checkOptions } from "./options.ts";
import type { OptionKind } from "./options.ts";
import type { Listener, Transport } from "./transport.ts";
import { LISTEN_OPTIONS, listenTransport } from "./transports.ts";
import type { ListenOptions } from "./transports.ts";
import { guard, warn } from "./warn.ts";

/** Options of `serveChannels`. */
export interface ServeChannelsOptions extends Omit<ChannelOptions, "codec">, ListenOptions {
  /** Default: `JsonCodec`. `"auto"`: what each client speaks. */
  readonly codec?: CodecOption | undefined;
  /** Takes what `onChannel` throws; its channel is closed. Default: a warning of the process. */
  readonly onError?: ((error: unknown, channel: Channel) => void) | undefined;
}

const OPTIONS: Readonly<Record<keyof ServeChannelsOptions, OptionKind>> = {
  ...CHANNEL_OPTIONS,
  ...LISTEN_OPTIONS,
  onError: OPTION.function,
};

/** A server of channels. */
export interface ChannelServer extends AsyncDisposable {
  /** Where clients connect to, with the port that the system chose. */
  readonly address: string;
  /** The channels that are open. */
  readonly channels: ReadonlySet<Channel>;
  /** Accepts no more clients, closes the channels (see `Channel.close`) and resolves when all are closed. */
  close(options?: { readonly graceMs?: number }): Promise<void>;
}

/**
 * Listens and calls `onChannel` with the channel of each client. A channel stays open after `onChannel` has returned, until one
 * side closes it.
 *
 * Rejects with `INVALID_ARGUMENT` or `UNAVAILABLE`.
 */
export async function serveChannels(
  address: string,
  onChannel: (channel: Channel) => void | Promise<void>,
  options: ServeChannelsOptions = {},
): Promise<ChannelServer> {
  checkOptions("serveChannels", options, OPTIONS);
  if (typeof onChannel !== "function") {
    const reason = `serveChannels takes a function that gets each channel, not ${describeType(onChannel)}`;
    throw new ColloquyError("INVALID_ARGUMENT", reason);
  }
  const limits = resolveLimits(options.limits);
  const errors = resolveErrors(options.errors);
  const channels = new Set<Channel>();
  const serializers = factoriesOf(options.extraSerializers);
  const { codec = JsonCodec } = options;
  checkCodecOption(codec, serializers);
  const onTransport = (transport: Transport): void => {
    const failed = (error: unknown): void => warn(`no channel for ${transport.remoteAddress}`, error);
    const make = (): Channel => new Channel(transport, codecFor(codec, serializers, failed), limits, errors);
    const channel = channelOn(transport, make, failed);
    if (channel === undefined) return;
    channels.add(channel);
    void channel.closed.then(() => channels.delete(channel));
    void serveOne(channel, onChannel, options);
  };
  const listener: Listener = await listenTransport(address, onTransport, {
    ...options,
    handshakeTimeoutMs: limits.helloTimeoutMs / 2,
    maxConnectionCount: limits.maxConnectionCount,
  });
  const close = async (closeOptions: { readonly graceMs?: number } = {}): Promise<void> => {
    checkOptions("close", closeOptions, CLOSE_OPTIONS);
    await listener.close();
    await Promise.all([...channels].map((channel) => channel.close(closeOptions)));
  };
  return { address: listener.address, channels, close, [Symbol.asyncDispose]: () => close() };
}

async function serveOne(
  channel: Channel,
  onChannel: (channel: Channel) => void | Promise<void>,
  { onError }: ServeChannelsOptions,
): Promise<void> {
  try {
    await onChannel(channel);
  } catch (error) {
    const lost = error instanceof ColloquyError && error.code === "CONNECTION_LOST";
    channel.destroy();
    if (onError === undefined) {
      if (!lost) warn(`the server of channels failed for ${channel.remoteAddress}`, error);
      return;
    }
    guard("onError of a server of channels", () => onError(error, channel));
  }
}

/** Serializer factories are user code: one that throws costs this connection, not the process. */
function channelOn(transport: Transport, make: () => Channel, failed: (error: unknown) => void): Channel | undefined {
  try {
    return make();
  } catch (error) {
    transport.destroy();
    failed(error);
    return undefined;
  }
}
