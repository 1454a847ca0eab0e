import { GuestError, SessionEndedError } from './errors.ts';
import {
  ChannelError,
  FrameReader,
  LARGEST_PAYLOAD,
  NONCE_LENGTH,
  packFrame,
  packStart,
  type StartOptions,
  TO_GUEST,
  TO_HOST,
} from './frames.ts';

/** Bytes of each output that the guest may send before they are read. */
const WINDOW = 262_144;

/** What a request tells of itself. */
export interface RequestListener {
  /** @param stream 0 output, 1 error output @param bytes theirs to keep */
  output(stream: 0 | 1, bytes: Uint8Array): void;
  /** Room for so many more bytes of standard input. */
  inputRoom(bytes: number): void;
  /** @param signal that ended it, 0 for none */
  exit(status: number, signal: number): void;
  failed(error: Error): void;
}

/** A request under way. */
export interface ChannelRequest {
  /** At most as many bytes as {@link RequestListener.inputRoom} granted. */
  input(bytes: Uint8Array): void;
  endInput(): void;
  signal(number: number): void;
  resize(columns: number, rows: number): void;
  /** The listener has used up so many bytes of an output. */
  consumed(stream: 0 | 1, bytes: number): void;
}

interface Pending {
  readonly what: string;
  readonly listener: RequestListener;
}

interface Waiting {
  readonly what: string;
  resolve(): void;
  reject(error: Error): void;
}

/** The host's end of the session channel: requests by number, over any pipe of bytes. */
export class SessionChannel {
  private readonly send: (frame: Uint8Array) => void;
  private readonly frames = new FrameReader();
  private readonly requests = new Map<number, Pending>();
  private readonly waiting = new Map<number, Waiting>();
  private attachment: Waiting | undefined;
  private nextId = 1;
  private ended: Error | undefined;

  /** @param send hands a frame to the guest, whole and in order */
  constructor(send: (frame: Uint8Array) => void) {
    this.send = send;
  }

  /**
   * Begins: the agent drops what another host had begun. Resolves when it has answered.
   * @param nonce {@link NONCE_LENGTH} bytes that no earlier attachment used
   */
  attach(nonce: Uint8Array): Promise<void> {
    if (nonce.length !== NONCE_LENGTH)
      throw new RangeError(`a nonce of ${nonce.length} bytes: expected ${NONCE_LENGTH}`);
    this.frames.await(nonce);
    return new Promise((resolve, reject) => {
      if (this.ended !== undefined) return reject(this.ended);
      this.attachment = { what: 'attach', resolve, reject };
      this.send(packFrame(TO_GUEST.ATTACH, 0, nonce));
    });
  }

  /** Takes what the guest sent. */
  receive(bytes: Uint8Array): void {
    if (this.ended !== undefined) return;
    try {
      this.frames.push(bytes, ({ type, id, payload }) => this.take(type, id, payload));
    } catch (error) {
      if (!(error instanceof ChannelError)) throw error;
      this.end(error);
    }
  }

  /** Starts a command or an operation on files. @param what it is, for errors @throws RangeError when it cannot be said in a frame */
  start(
    what: string,
    operation: number,
    words: readonly string[],
    options: StartOptions,
    listener: RequestListener,
  ): ChannelRequest {
    const payload = packStart(operation, words, options);
    if (this.ended !== undefined) throw this.ended;
    const id = this.nextId++;
    this.requests.set(id, { what, listener });
    this.send(packFrame(TO_GUEST.START, id, payload));
    const unread: [number, number] = [0, 0];
    const grant = (stream: 0 | 1, bytes: number): void =>
      this.tell(id, TO_GUEST.GRANT, stream, bytes & 255, (bytes >> 8) & 255, (bytes >> 16) & 255, bytes >>> 24);
    grant(0, WINDOW);
    grant(1, WINDOW);
    return {
      input: (bytes) => {
        for (let at = 0; at < bytes.length; at += LARGEST_PAYLOAD) {
          if (this.requests.has(id)) this.send(packFrame(TO_GUEST.STDIN, id, bytes.subarray(at, at + LARGEST_PAYLOAD)));
        }
      },
      endInput: () => this.tell(id, TO_GUEST.STDIN_END),
      signal: (number) => this.tell(id, TO_GUEST.SIGNAL, number),
      resize: (columns, rows) => this.tell(id, TO_GUEST.RESIZE, columns & 255, columns >> 8, rows & 255, rows >> 8),
      consumed: (stream, bytes) => {
        unread[stream] += bytes;
        // Half a window at a time, so that a grant is not sent for every line.
        if (unread[stream] < WINDOW / 2) return;
        grant(stream, unread[stream]);
        unread[stream] = 0;
      },
    };
  }

  /** Stirs random bytes into the kernel's pool. */
  addEntropy(bytes: Uint8Array): Promise<void> {
    return this.request('add entropy', TO_GUEST.ENTROPY, bytes);
  }

  /** Sets the guest's wall clock. @param nanoseconds since 1970 */
  setClock(nanoseconds: bigint): Promise<void> {
    const payload = new Uint8Array(8);
    new DataView(payload.buffer).setBigUint64(0, nanoseconds, true);
    return this.request('set the clock', TO_GUEST.CLOCK, payload);
  }

  setHostname(name: string): Promise<void> {
    return this.request(`set the host name to ${name}`, TO_GUEST.HOSTNAME, new TextEncoder().encode(name));
  }

  /** Nothing will come any more. */
  end(reason: Error = new SessionEndedError('the session has ended')): void {
    if (this.ended !== undefined) return;
    this.ended = reason;
    const { attachment } = this;
    this.attachment = undefined;
    attachment?.reject(reason);
    for (const { reject } of this.waiting.values()) reject(reason);
    for (const { listener } of this.requests.values()) listener.failed(reason);
    this.waiting.clear();
    this.requests.clear();
  }

  private request(what: string, type: number, payload: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.ended !== undefined) return reject(this.ended);
      const id = this.nextId++;
      this.waiting.set(id, { what, resolve, reject });
      this.send(packFrame(type, id, payload));
    });
  }

  private tell(id: number, type: number, ...payload: number[]): void {
    if (this.requests.has(id)) this.send(packFrame(type, id, Uint8Array.from(payload)));
  }

  private take(type: number, id: number, payload: Uint8Array): void {
    const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
    const u32 = (): number => {
      if (payload.length < 4)
        throw new ChannelError(`the guest's agent sent a frame of type ${type} with ${payload.length} bytes`);
      return view.getUint32(0, true);
    };
    if (type === TO_HOST.HELLO) {
      const { attachment } = this;
      this.attachment = undefined;
      return attachment?.resolve();
    }
    if (type === TO_HOST.DONE) {
      const waiting = this.waiting.get(id);
      this.waiting.delete(id);
      const errno = u32();
      if (errno === 0) waiting?.resolve();
      else waiting?.reject(new GuestError(errno, waiting.what));
      return;
    }
    const pending = this.requests.get(id);
    // Of a request that an earlier host began.
    if (pending === undefined) return;
    const { listener, what } = pending;
    switch (type) {
      case TO_HOST.OUTPUT:
        return listener.output(payload[0] === 1 ? 1 : 0, payload.slice(1));
      case TO_HOST.STDIN_GRANT:
        return listener.inputRoom(u32());
      case TO_HOST.EXIT:
        this.requests.delete(id);
        return listener.exit(payload[1] ?? 0, payload[0] ?? 0);
      case TO_HOST.FAILED: {
        const errno = u32();
        this.requests.delete(id);
        return listener.failed(new GuestError(errno, what));
      }
      default:
        throw new ChannelError(`the guest's agent sent a frame of unknown type ${type}`);
    }
  }
}
