/** Messages of the Debug Adapter Protocol (specification, "Base Protocol"): `Content-Length` headers and JSON bodies. */

/** Largest message accepted, bytes. */
const MAX_MESSAGE = 16 << 20;
const MAX_HEADER = 4096;
const END = [13, 10, 13, 10];

/** A transport that does not carry the protocol. */
export class FramingError extends Error {
  override readonly name = 'FramingError';
}

/** Cuts a stream of bytes into messages. */
export class MessageReader {
  private buffer = new Uint8Array(0);
  private length = -1;

  /** @returns complete messages as parsed JSON @throws FramingError after which the stream cannot be followed */
  push(bytes: Uint8Array): unknown[] {
    const joined = new Uint8Array(this.buffer.length + bytes.length);
    joined.set(this.buffer);
    joined.set(bytes, this.buffer.length);
    this.buffer = joined;
    const out: unknown[] = [];
    for (;;) {
      if (this.length < 0 && !this.header()) return out;
      if (this.buffer.length < this.length) return out;
      const body = new TextDecoder().decode(this.buffer.subarray(0, this.length));
      this.buffer = this.buffer.slice(this.length);
      this.length = -1;
      try {
        out.push(JSON.parse(body));
      } catch {
        throw new FramingError('a message is no JSON');
      }
    }
  }

  private header(): boolean {
    const { buffer } = this;
    let end = -1;
    for (let i = 0; i + 4 <= buffer.length && i <= MAX_HEADER; i++) {
      if (END.every((b, k) => buffer[i + k] === b)) {
        end = i;
        break;
      }
    }
    if (end < 0) {
      if (buffer.length > MAX_HEADER) throw new FramingError('a header has no end');
      return false;
    }
    const text = new TextDecoder().decode(buffer.subarray(0, end));
    const m = /^content-length:\s*(\d{1,9})\s*$/im.exec(text);
    if (!m) throw new FramingError('a header has no Content-Length');
    const length = Number(m[1]);
    if (length > MAX_MESSAGE)
      throw new FramingError(`a message of ${length} bytes is too long: at most ${MAX_MESSAGE}`);
    this.length = length;
    this.buffer = buffer.slice(end + 4);
    return true;
  }
}

/** A message ready to send. */
export function encodeMessage(message: unknown): Uint8Array {
  const body = new TextEncoder().encode(JSON.stringify(message));
  const head = new TextEncoder().encode(`Content-Length: ${body.length}\r\n\r\n`);
  const out = new Uint8Array(head.length + body.length);
  out.set(head);
  out.set(body, head.length);
  return out;
}
