/**
 * The frames of the session channel between the host and the guest's agent (src/guest/agent/agent.c).
 *
 * ```
 * length   u32 LE   bytes that follow: 5 + payload
 * type     u8       {@link TO_GUEST} or {@link TO_HOST}
 * id       u32 LE   of the request; 0 where it concerns none
 * payload  at most {@link LARGEST_PAYLOAD} bytes
 * ```
 * Flow is controlled per request: the agent grants room for standard input, the host for each of the two outputs, so that
 * neither side keeps more than it granted.
 */

import { concat } from '../bytes/concat.ts';

/** Version of the frames; the agent names its own when it is attached to. */
const PROTOCOL = 1;
/** Largest payload of a frame, in bytes. */
export const LARGEST_PAYLOAD = 32_768;
/** Bytes of the number that tells one attachment from another. */
export const NONCE_LENGTH = 16;
const HEADER = 9;

export const TO_GUEST = {
  /** {@link packStart}: a command or an operation on files. */
  START: 1,
  /** Standard input. */
  STDIN: 2,
  STDIN_END: 3,
  /** Signal number u8, for the request's process group. */
  SIGNAL: 4,
  /** Stream u8 (0 output, 1 error output), bytes u32: room for more. */
  GRANT: 5,
  /** Columns u16, rows u16. */
  RESIZE: 6,
  /** Random bytes for the kernel's pool, at most 512. */
  ENTROPY: 16,
  /** Nanoseconds since 1970, u64. */
  CLOCK: 17,
  /** UTF-8. */
  HOSTNAME: 18,
  /** A host that knows nothing of what came before: {@link NONCE_LENGTH} bytes that the agent's HELLO repeats. */
  ATTACH: 19,
} as const;

export const TO_HOST = {
  /** Protocol u32, nonce. */
  HELLO: 0x81,
  /** Stream u8, bytes. */
  OUTPUT: 0x83,
  /** Signal that ended it u8 (0 for none), exit status u8. */
  EXIT: 0x84,
  /** Error number u32: it did not begin, or an operation on files failed. */
  FAILED: 0x85,
  /** Bytes u32: room for more standard input. */
  STDIN_GRANT: 0x86,
  /** Error number u32, 0 for none: ENTROPY, CLOCK or HOSTNAME has been done. */
  DONE: 0x87,
} as const;

/** What START asks for, with its arguments. */
export const OPERATION = {
  /** A program and its arguments. */
  EXEC: 0,
  /** Path; the contents are the output. */
  READ: 1,
  /** Path, mode (octal digits; empty leaves it); the contents are the input. */
  WRITE: 2,
  /** Path of a folder; the output is an entry each. */
  LIST: 3,
  /** Path; the output is one entry. */
  STAT: 4,
  /** Path, mode (octal digits); folders above it are made too. */
  MKDIR: 5,
  /** Path; a folder with all that is in it. */
  REMOVE: 6,
  /** From, to. */
  RENAME: 7,
} as const;

/** A frame as it came. */
export interface ChannelFrame {
  readonly type: number;
  readonly id: number;
  /** Valid until the next bytes are pushed. */
  readonly payload: Uint8Array;
}

/** The channel carries what is no frame. */
export class ChannelError extends Error {
  override name = 'ChannelError';
}

/** One frame as bytes. */
export function packFrame(type: number, id: number, payload: Uint8Array = new Uint8Array(0)): Uint8Array {
  const bytes = new Uint8Array(HEADER + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 5 + payload.length, true);
  bytes[4] = type;
  view.setUint32(5, id, true);
  bytes.set(payload, HEADER);
  return bytes;
}

/** What START says besides the operation and its arguments. */
export interface StartOptions {
  readonly folder: string;
  /** `NAME=value` each. */
  readonly environment: readonly string[];
  /** On a terminal of this size. */
  readonly terminal?: { readonly columns: number; readonly rows: number };
}

/** The payload of START. @throws RangeError when a text holds a NUL or all of it is too long */
export function packStart(operation: number, words: readonly string[], options: StartOptions): Uint8Array {
  const { folder, environment, terminal } = options;
  for (const text of [folder, ...words, ...environment]) {
    if (text.includes('\0'))
      throw new RangeError(`${JSON.stringify(text)} holds a NUL, which no argument of a program can`);
  }
  const utf8 = new TextEncoder();
  const list = (texts: readonly string[]): Uint8Array[] => [
    Uint8Array.of(texts.length & 255, texts.length >> 8),
    ...texts.map((text) => utf8.encode(`${text}\0`)),
  ];
  const { columns, rows } = terminal ?? { columns: 0, rows: 0 };
  const parts = [
    Uint8Array.of(operation, Number(terminal !== undefined), columns & 255, columns >> 8, rows & 255, rows >> 8),
    utf8.encode(`${folder}\0`),
    ...list(words),
    ...list(environment),
  ];
  const payload = concat(parts);
  const { length } = payload;
  if (length > LARGEST_PAYLOAD) {
    throw new RangeError(
      `a command with its environment takes ${length} bytes: at most ${LARGEST_PAYLOAD} fit; pass what is long as standard input or a file`,
    );
  }
  return payload;
}

/** Cuts a stream of bytes into frames. */
export class FrameReader {
  private buffer = new Uint8Array(HEADER + LARGEST_PAYLOAD);
  private length = 0;
  /** Until the HELLO with this nonce came, everything is of an earlier attachment, or the rest of a frame. */
  private awaited: Uint8Array | undefined;

  /** Skips all that comes before the HELLO that answers ATTACH. */
  await(nonce: Uint8Array): void {
    this.awaited = packFrame(TO_HOST.HELLO, 0, Uint8Array.of(PROTOCOL, 0, 0, 0, ...nonce));
    this.length = 0;
  }

  /** @throws ChannelError when the bytes are no frames */
  push(bytes: Uint8Array, take: (frame: ChannelFrame) => void): void {
    for (let at = 0; at < bytes.length; ) {
      const piece = bytes.subarray(at, at + this.buffer.length - this.length);
      this.buffer.set(piece, this.length);
      this.length += piece.length;
      at += piece.length;
      let start = this.awaited === undefined ? 0 : this.skip(this.awaited);
      for (let size = this.sizeAt(start); size > 0; size = this.sizeAt(start)) {
        const view = new DataView(this.buffer.buffer, start);
        take({
          type: view.getUint8(4),
          id: view.getUint32(5, true),
          payload: this.buffer.subarray(start + HEADER, start + size),
        });
        start += size;
      }
      this.buffer.copyWithin(0, start, this.length);
      this.length -= start;
    }
  }

  /** Bytes of the frame at an index; 0 while it is not whole. */
  private sizeAt(start: number): number {
    if (this.awaited !== undefined || this.length - start < 4) return 0;
    const size = 4 + new DataView(this.buffer.buffer).getUint32(start, true);
    if (size < HEADER || size > this.buffer.length)
      throw new ChannelError(`the guest's agent sent a frame of ${size} bytes`);
    return this.length - start < size ? 0 : size;
  }

  /** Where the awaited frame begins, or how much can be dropped. */
  private skip(wanted: Uint8Array): number {
    for (let start = 0; start < this.length; start++) {
      const have = Math.min(wanted.length, this.length - start);
      let same = 0;
      while (same < have && this.buffer[start + same] === wanted[same]) same++;
      if (same < have) continue;
      if (have === wanted.length) this.awaited = undefined;
      return start;
    }
    return this.length;
  }
}
