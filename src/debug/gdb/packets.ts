import { toHex } from '../../bytes/hex.ts';
/**
 * Framing of the gdb remote serial protocol ("Debugging with GDB", appendix "Remote Protocol", section "Overview"): `$data#checksum`
 * packets, acknowledgements, the interrupt byte.
 */

/** Largest packet accepted, in bytes between `$` and `#`; announced to gdb as PacketSize. */
export const PACKET_SIZE = 0x4000;
/** Most bytes read or written by one packet. */
export const MAX_TRANSFER = PACKET_SIZE / 2 - 16;
/** What a packet is answered: nothing if undefined, "not known" if empty. */
export type PacketAnswer = string | Uint8Array | undefined | Promise<string | Uint8Array | undefined>;

/** Errors as gdb shows them: numbers are errno's (ENOENT, EFAULT, EINVAL, ENOSPC). */
export const ERROR = { register: 'E02', memory: 'E0e', argument: 'E16', full: 'E1c' } as const;

const DOLLAR = 0x24;
const HASH = 0x23;
const PLUS = 0x2b;
const MINUS = 0x2d;
const ESCAPE = 0x7d;
const STAR = 0x2a;
const INTERRUPT = 0x03;

export type Incoming =
  | { readonly kind: 'packet'; readonly data: Uint8Array }
  /** Checksum wrong: ask again. */
  | { readonly kind: 'bad' }
  /** Longer than {@link PACKET_SIZE}; its data was dropped. */
  | { readonly kind: 'oversized' }
  | { readonly kind: 'ack' }
  | { readonly kind: 'nak' }
  | { readonly kind: 'interrupt' };

const hexDigit = (c: number): number => {
  if (c >= 0x30 && c <= 0x39) return c - 0x30;
  const lower = c | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x61 + 10 : -1;
};

/** Takes bytes as they arrive; keeps at most one packet. */
export class PacketReader {
  private state: 'idle' | 'data' | 'sum1' | 'sum2' = 'idle';
  private readonly buffer = new Uint8Array(PACKET_SIZE);
  private length = 0;
  private escaped = false;
  private sum = 0;
  private claimed = 0;
  private over = false;

  /** @returns what is complete, in order */
  push(bytes: Uint8Array): Incoming[] {
    const out: Incoming[] = [];
    for (const byte of bytes) this.take(byte, out);
    return out;
  }

  private take(byte: number, out: Incoming[]): void {
    switch (this.state) {
      case 'idle':
        if (byte === DOLLAR) this.begin();
        else if (byte === PLUS) out.push({ kind: 'ack' });
        else if (byte === MINUS) out.push({ kind: 'nak' });
        else if (byte === INTERRUPT) out.push({ kind: 'interrupt' });
        break;
      case 'data':
        if (byte === HASH) this.state = 'sum1';
        else if (byte === DOLLAR)
          this.begin(); // the rest of a broken packet was lost
        else this.data(byte);
        break;
      case 'sum1':
        this.claimed = hexDigit(byte);
        this.state = 'sum2';
        break;
      case 'sum2': {
        this.state = 'idle';
        const low = hexDigit(byte);
        if (this.claimed < 0 || low < 0 || ((this.claimed << 4) | low) !== (this.sum & 0xff)) out.push({ kind: 'bad' });
        else if (this.over) out.push({ kind: 'oversized' });
        else out.push({ kind: 'packet', data: this.buffer.slice(0, this.length) });
        break;
      }
    }
  }

  private begin(): void {
    this.state = 'data';
    this.length = 0;
    this.sum = 0;
    this.escaped = false;
    this.over = false;
  }

  private data(byte: number): void {
    this.sum += byte;
    if (byte === ESCAPE && !this.escaped) {
      this.escaped = true;
      return;
    }
    const value = this.escaped ? byte ^ 0x20 : byte;
    this.escaped = false;
    if (this.length < PACKET_SIZE) this.buffer[this.length++] = value;
    else this.over = true;
  }
}

/** A packet ready to send: escaped, with its checksum. Text is sent as its Latin-1 bytes. */
export function encodePacket(data: string | Uint8Array): Uint8Array {
  const source = typeof data === 'string' ? latin1(data) : data;
  const out: number[] = [DOLLAR];
  let sum = 0;
  const put = (byte: number): void => {
    out.push(byte);
    sum = (sum + byte) & 0xff;
  };
  for (const byte of source) {
    if (byte === DOLLAR || byte === HASH || byte === ESCAPE || byte === STAR) {
      put(ESCAPE);
      put(byte ^ 0x20);
    } else put(byte);
  }
  out.push(HASH, ...latin1(sum.toString(16).padStart(2, '0')));
  return Uint8Array.from(out);
}

/** The bytes of text whose characters are all below 256. */
export const latin1 = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));

/** Text of bytes, one character each. */
export function fromLatin1(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 4096) text += String.fromCharCode(...bytes.subarray(at, at + 4096));
  return text;
}

/** A 64-bit value in target byte order, as registers travel. */
export function hex64(value: bigint): string {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt.asUintN(64, value), true);
  return toHex(bytes);
}
