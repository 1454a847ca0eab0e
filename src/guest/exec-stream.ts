/**
 * The host's half of `hindsight.exec=`: taking a command's own output and status out of the
 * console, and framing its input so that an end of input can be told over a serial line.
 */

const RECORD_SEPARATOR = 0x1e;
const NEWLINE = 0x0a;
const LONGEST_MARKER = 128;

/**
 * Passes on what the guest's command printed, and nothing else of the console.
 *
 * /init writes `RS hindsight:TOKEN begin LF` before and `RS hindsight:TOKEN end STATUS LF` after it.
 */
export class ExecOutput {
  private readonly begin: string;
  private readonly end: RegExp;
  private state: 'before' | 'inside' | 'after' = 'before';
  /** A marker that may be under way: from its record separator on. */
  private held: number[] | undefined;
  private exitStatus: number | undefined;

  constructor(token = 'exec') {
    this.begin = `\x1ehindsight:${token} begin\n`;
    this.end = new RegExp(`^\\x1ehindsight:${token} end (\\d+)\\n$`);
  }

  /** The command's exit status (0–255, 128 + signal when killed, 125 when it could not be started), once it has ended. */
  get status(): number | undefined {
    return this.exitStatus;
  }

  /** Whether the command has begun. */
  get begun(): boolean {
    return this.state !== 'before';
  }

  /** Takes console bytes; returns those of the command's output. */
  push(bytes: Uint8Array): Uint8Array {
    const out: number[] = [];
    for (const byte of bytes) {
      if (this.held !== undefined && byte !== RECORD_SEPARATOR) {
        this.held.push(byte);
        if (byte === NEWLINE || this.held.length >= LONGEST_MARKER) this.readMarker(out);
      } else if (byte === RECORD_SEPARATOR) {
        this.release(out);
        this.held = [byte];
      } else if (this.state === 'inside') out.push(byte);
    }
    return Uint8Array.from(out);
  }

  /** What is still held back, when the console has ended without an end marker. */
  flush(): Uint8Array {
    const out: number[] = [];
    this.release(out);
    return Uint8Array.from(out);
  }

  private readMarker(out: number[]): void {
    const text = String.fromCharCode(...this.held!);
    const ended = this.state === 'inside' ? this.end.exec(text) : null;
    if (this.state === 'before' && text === this.begin) {
      this.state = 'inside';
      this.held = undefined;
    } else if (ended !== null) {
      this.state = 'after';
      this.exitStatus = Number(ended[1]);
      this.held = undefined;
    } else this.release(out);
  }

  private release(out: number[]): void {
    if (this.held !== undefined && this.state === 'inside') for (const byte of this.held) out.push(byte);
    this.held = undefined;
  }
}

const EOF = 0x04;
const LITERAL = 0x16;
/** The line discipline keeps 4096 bytes of a line; a longer one is handed over in pieces. */
const LONGEST_PIECE = 1024;

/**
 * Frames a command's standard input for `hindsight.stdin=stream`. The guest's terminal is
 * canonical with two special bytes: Ctrl-D hands over what was typed (and, after nothing, ends the input), Ctrl-V takes the next byte
 * as it is. So every byte value passes, and the command sees the end of a pipe or a file.
 */
export class StdinEncoder {
  private pending = 0;

  /** The bytes to type for `bytes`. */
  encode(bytes: Uint8Array): Uint8Array {
    const out: number[] = [];
    for (const byte of bytes) {
      if (byte === EOF || byte === LITERAL || byte === 0) out.push(LITERAL);
      out.push(byte);
      this.pending = byte === NEWLINE ? 0 : this.pending + 1;
      if (this.pending >= LONGEST_PIECE) {
        out.push(EOF);
        this.pending = 0;
      }
    }
    return Uint8Array.from(out);
  }

  /** The bytes to type at the end of input. */
  end(): Uint8Array {
    const hand = this.pending > 0 ? [EOF, EOF] : [EOF];
    this.pending = 0;
    return Uint8Array.from(hand);
  }

  /** The bytes that make what was typed so far reach the command, e.g. before a pause. */
  flush(): Uint8Array {
    if (this.pending === 0) return new Uint8Array(0);
    this.pending = 0;
    return Uint8Array.of(EOF);
  }
}
