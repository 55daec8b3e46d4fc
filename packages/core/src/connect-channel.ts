import { Channel } from "./channel.ts";
import type { CodecClass } from "./codec.ts";
import { resolveErrors } from "./error-rules.ts";
import type { ErrorPolicy } from "./error-rules.ts";
import { connectingCodec } from "./known-codecs.ts";
import { resolveLimits } from "./limits.ts";
import type { Limits } from "./limits.ts";
import { OPTION, checkOptions } from "./options.ts";
import type { OptionKind } from "./options.ts";
import type { SerializerFactory } from "./serializers.ts";
import { CONNECT_OPTIONS, connectTransport } from "./transports.ts";
import type { ConnectOptions } from "./transports.ts";

/** Options of both sides of a channel. */
export interface ChannelOptions {
  /** Default: `JsonCodec`. Both sides use the same. */
  readonly codec?: CodecClass | undefined;
  /** Types beyond the codec's own; the same on both sides, in the same order. */
  readonly extraSerializers?: Iterable<SerializerFactory> | undefined;
  /** Over the defaults, `docs/limits.md`. */
  readonly limits?: Partial<Limits> | undefined;
  /** What leaves with the errors of this side, and the classes of those that come. Default: `{ allow: "message" }`. */
  readonly errors?: ErrorPolicy | undefined;
}

/** Options of `connectChannel`. */
export interface ConnectChannelOptions extends ChannelOptions, ConnectOptions {}

/** Each is checked by what reads it. */
export const CHANNEL_OPTIONS: Readonly<Record<keyof ChannelOptions, OptionKind>> = Object.freeze({
  codec: OPTION.any,
  extraSerializers: OPTION.any,
  limits: OPTION.any,
  errors: OPTION.any,
});
const OPTIONS: Readonly<Record<keyof ConnectChannelOptions, OptionKind>> = { ...CHANNEL_OPTIONS, ...CONNECT_OPTIONS };

/**
 * Opens a channel to a server of channels, such as `serveChannels` or one of aiomas.
 *
 * Rejects with `INVALID_ARGUMENT`, `UNAVAILABLE` or `CANCELLED`.
 */
export async function connectChannel(address: string, options: ConnectChannelOptions = {}): Promise<Channel> {
  checkOptions("connectChannel", options, OPTIONS);
  const limits = resolveLimits(options.limits);
  const errors = resolveErrors(options.errors);
  const codec = connectingCodec(options.codec, options.extraSerializers);
  const transport = await connectTransport(address, options);
  return new Channel(transport, codec, limits, errors);
}
