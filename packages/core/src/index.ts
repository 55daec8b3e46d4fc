/**
 * Codecs, frames, messages, channels and transports: everything below paths and services.
 *
 * @packageDocumentation
 */
export { formatAddress, parseAddress, shownAddress } from "./address.ts";
export type { Address } from "./address.ts";
export { Channel, Request } from "./channel.ts";
export { Codec } from "./codec.ts";
export type { CodecChooser, CodecClass } from "./codec.ts";
export { compressed } from "./compressed.ts";
export type { CompressedOptions } from "./compressed.ts";
export type { CompressionAlgorithm } from "./compression.ts";
export { connectChannel } from "./connect-channel.ts";
export type { ChannelOptions, ConnectChannelOptions } from "./connect-channel.ts";
export { decodedSize } from "./decoded-size.ts";
export { Deferred, rejection } from "./deferred.ts";
export { messageOf, readable } from "./readable.ts";
export { estimateBytes } from "./estimate-bytes.ts";
export { Endpoint } from "./endpoint.ts";
export type { EndpointHandler, EndpointStats, Substitute } from "./endpoint-handler.ts";
export {
  ColloquyError,
  ERROR_CODES,
  ProtocolError,
  RemoteError,
  SerializationError,
  describeType,
  forCallersOf,
  isClass,
  formatPlace,
  quoted,
  toError,
} from "./errors.ts";
export type { ColloquyErrorOptions, EntryStep, ErrorCode, Executed, PlaceStep, RemoteErrorOptions } from "./errors.ts";
export { ownName } from "./own-name.ts";
export { PublicError } from "./public-error.ts";
export type { PublicErrorOptions } from "./public-error.ts";
export { refusal } from "./refusal.ts";
export { PeerNumbers } from "./peer-numbers.ts";
export { RunningTotal } from "./running-total.ts";
export { DEFAULT_ERROR_RULES, generalError, isHidden, resolveErrors } from "./error-rules.ts";
export type { AllowedParts, ErrorClass, ErrorPolicy, ErrorRules } from "./error-rules.ts";
export { readException } from "./read-exception.ts";
export type { ExceptionStyle } from "./write-exception.ts";
export { codec } from "./function-codec.ts";
export type { CodecFunctions } from "./function-codec.ts";
export { HELLO_PATH, NO_KWARGS, makeHello, readHello } from "./hello.ts";
export type { Dialect, Hello, HelloSide, PeerTraits } from "./hello.ts";
export { JsonCodec } from "./json-codec.ts";
export { checkCodecOption, codecFor, connectingCodec, factoriesOf } from "./known-codecs.ts";
export type { CodecOption } from "./known-codecs.ts";
export { LIMITS_BEFORE_HELLO, beyondLimits, limitsBeforeHello } from "./early-limits.ts";
export { DEFAULT_LIMITS, resolveLimits, timerMs } from "./limits.ts";
export type { Limits } from "./limits.ts";
export { LocalNetwork } from "./local-transport.ts";
export type { LocalNetworkOptions, LocalRoute } from "./local-transport.ts";
export { seededRandom } from "./random.ts";
export type { Random } from "./random.ts";
export { checkDecodedEntry, isMap, isPlainMap } from "./lower-lift.ts";
export { MsgPackBloscCodec } from "./msgpack-blosc-codec.ts";
export { MsgPackCodec } from "./msgpack-codec.ts";
export type { PartArray } from "./dtype.ts";
export type { NdArrayElement } from "./elements.ts";
export { NdArray } from "./ndarray.ts";
export type { NdArrayOptions } from "./ndarray.ts";
export { ndarraySerializer } from "./ndarray-serializer.ts";
export { CLOSE_OPTIONS, OPTION, checkOptions, oneOf, shownValue, wrongOption } from "./options.ts";
export type { OptionKind, OptionKinds } from "./options.ts";
export type { NestedArray } from "./nested-arrays.ts";
export { readNpy, writeNpy } from "./npy.ts";
export type { NdArrayOrder } from "./shape.ts";
export type { SliceRange } from "./slices.ts";
export type { PendingCall } from "./pending.ts";
export { serializable } from "./serializable.ts";
export type { SerializableClass } from "./serializable.ts";
export { StructuredCloneCodec } from "./structured-clone-codec.ts";
export { StandardTypes } from "./standard-types.ts";
export type { PeerTypes } from "./standard-types.ts";
export { refusalOf } from "./serializers.ts";
export type {
  BuiltinTypes,
  Class,
  Conversion,
  DecodingBudget,
  ExtendedValue,
  SerializerFactory,
} from "./serializers.ts";
export { serveChannels } from "./serve-channels.ts";
export type { ChannelServer, ServeChannelsOptions } from "./serve-channels.ts";
export type { TlsOptions } from "./tls-options.ts";
export type { Listener, PostedMessage, ReproducibleRun, Transport, TransportReceiver } from "./transport.ts";
export { CONNECT_OPTIONS, LISTEN_OPTIONS, connectTransport, listenTransport } from "./transports.ts";
export { guard, warn } from "./warn.ts";
export { nextTurn } from "./turns.ts";
export type { ConnectOptions, ListenOptions, TransportOptions } from "./transports.ts";
export { MAX_SHAPE_COUNT } from "./shapes.ts";
export type { ShapeTeller, Shapes } from "./shapes.ts";
