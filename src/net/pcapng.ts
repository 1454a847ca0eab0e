/** Captures in pcapng (draft-ietf-opsawg-pcapng), which tcpdump, Wireshark and others read. */
import { ethernetOf, finishChecksum } from './frame.ts';

const BLOCK = { section: 0x0a0d_0d0a, interface: 1, packet: 6 } as const;
const BYTE_ORDER = 0x1a2b_3c4d;
const LINKTYPE_ETHERNET = 1;
const OPTION = { end: 0, comment: 1, hardware: 2, application: 4, name: 2, resolution: 9, flags: 2 } as const;
/** Times are in nanoseconds: 10^-9 s. */
const NANOSECONDS = 9;

const text = new TextEncoder();

type Option = readonly [code: number, value: Uint8Array];

const pad = (length: number): number => (length + 3) & ~3;

/** A block: type, length, body and options, length. */
function block(type: number, body: Uint8Array, options: readonly Option[]): Uint8Array {
  const optionBytes = options.length === 0 ? 0 : 4 + options.reduce((sum, [, value]) => sum + 4 + pad(value.length), 0);
  const length = 12 + pad(body.length) + optionBytes;
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  view.setUint32(4, length, true);
  bytes.set(body, 8);
  let at = 8 + pad(body.length);
  for (const [code, value] of options) {
    view.setUint16(at, code, true);
    view.setUint16(at + 2, value.length, true);
    bytes.set(value, at + 4);
    at += 4 + pad(value.length);
  }
  view.setUint32(length - 4, length, true);
  return bytes;
}

/** The beginning of a capture. @param application what made it */
export function pcapngHeader(application: string): Uint8Array {
  const body = new Uint8Array(16);
  const view = new DataView(body.buffer);
  view.setUint32(0, BYTE_ORDER, true);
  view.setUint16(4, 1, true); // version 1.0
  view.setBigInt64(8, -1n, true); // length of the section: not known
  return block(BLOCK.section, body, [[OPTION.application, text.encode(application)]]);
}

/** An Ethernet interface; packets name it by its number, from 0 on. */
export function pcapngInterface(name: string): Uint8Array {
  const body = new Uint8Array(8);
  new DataView(body.buffer).setUint16(0, LINKTYPE_ETHERNET, true);
  return block(BLOCK.interface, body, [
    [OPTION.name, text.encode(name)],
    [OPTION.resolution, Uint8Array.of(NANOSECONDS)],
  ]);
}

/** A frame of a capture. */
export interface CapturedFrame {
  /** Number of its interface. */
  readonly interface: number;
  /** Nanoseconds since 1970. */
  readonly time: bigint;
  readonly direction: 'in' | 'out';
  /** As in {@link ./frame.ts}; checksums that were left for later are computed. */
  readonly frame: Uint8Array;
  readonly comment?: string;
}

/** A packet's block. */
export function pcapngPacket({ interface: index, time, direction, frame, comment }: CapturedFrame): Uint8Array {
  const whole = frame.slice();
  finishChecksum(whole);
  const ethernet = ethernetOf(whole);
  const body = new Uint8Array(20 + ethernet.length);
  const view = new DataView(body.buffer);
  view.setUint32(0, index, true);
  view.setUint32(4, Number(time >> 32n), true);
  view.setUint32(8, Number(time & 0xffff_ffffn), true);
  view.setUint32(12, ethernet.length, true);
  view.setUint32(16, ethernet.length, true);
  body.set(ethernet, 20);
  const options: Option[] = [[OPTION.flags, Uint8Array.of(direction === 'in' ? 1 : 2, 0, 0, 0)]];
  if (comment !== undefined) options.unshift([OPTION.comment, text.encode(comment)]);
  return block(BLOCK.packet, body, options);
}
