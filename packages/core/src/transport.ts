/** What a transport tells its channel. Nothing is called before `open`. */
export interface TransportReceiver {
  /** Bytes from the peer, in order, synchronously. They are valid during the call only. */
  onChunk(chunk: Buffer): void;
  /** Memory that the next bytes should be read into, where the receiver has a place for them. */
  room?(): Buffer | undefined;
  /** So many bytes were read into what `room` returned last; takes the place of `onChunk`. */
  onFilled?(count: number): void;
  /** `queuedBytes` has become 0 after a `write` behind which it was above. */
  onDrain(): void;
  /** The connection has ended. Called once; `error` is absent where the peer ended it in order. */
  onClose(error: Error | undefined): void;
}

/** A message as a transport sees it that keeps whole ones: its type, its number, and its content as it was decoded. */
export interface PostedMessage {
  readonly type: number;
  readonly id: number;
  readonly content: unknown;
}

/** A run in which the same causes have the same effects, byte by byte. */
export interface ReproducibleRun {
  /** An id that no other thing of the run has. */
  newId(): string;
}

/** An ordered pipe of bytes to one peer: what a channel needs of a socket. */
export interface Transport {
  /** Address of the other end, for messages and `stats()`. */
  readonly remoteAddress: string;
  /** Both ends are in this process: nobody else's time is taken. */
  readonly isOwn?: true;
  /** Bytes that were written and have not left. */
  readonly queuedBytes: number;
  /** Starts to deliver. */
  open(receiver: TransportReceiver): void;
  /**
   * Sends bytes; the memory is the transport's from now on. False: some have not left. `onDrain` follows where `queuedBytes` is
   * above 0 now.
   */
  write(bytes: Uint8Array): boolean;
  /**
   * Sends a head and, behind it, a piece of a large value. Called only while `queuedBytes` is 0. The memory of the piece stays
   * its owner's, who leaves it as it is until `onLeft` was called or the connection has ended; should it be taken away all the
   * same, as many bytes leave as the piece has now, whatever they are. `onLeft` isn't called where the connection ends first.
   */
  writePiece(head: Uint8Array, piece: Uint8Array, onLeft: () => void): void;
  /**
   * Takes each message that has come and is decoded, and has it handled now, later or never: a network that delays and loses whole
   * messages. Where there is none, each is handled as it comes. `refuse` answers a request instead that was lost.
   */
  readonly post?: ((message: PostedMessage, handle: () => void, refuse: () => void) => void) | undefined;
  /** What else would come from the machine, where the run can be made again: what is sent then depends neither on time nor on memory. */
  readonly reproducible?: ReproducibleRun | undefined;
  /** Stops and resumes `onChunk`. What has come when the connection fails may be delivered before `onClose` all the same. */
  pause(): void;
  resume(): void;
  /** Sends what is queued and closes. `onClose` follows. */
  end(): void;
  /** Closes at once; what is queued is lost, and no more bytes are delivered. `onClose` follows. */
  destroy(): void;
}

/** A server socket. */
export interface Listener {
  /** Where clients connect to, with the port that the system chose. */
  readonly address: string;
  /** Accepts no more; resolves when the address is free. Connections that are open stay so. */
  close(): Promise<void>;
}
