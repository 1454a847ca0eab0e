/** Messages of the domain name system (RFC 1035), as far as a proxy reads and writes them. */
import type { IpAddress } from './address.ts';

export const DNS_TYPE = { a: 1, cname: 5, ptr: 12, aaaa: 28, any: 255 } as const;
export const DNS_STATUS = { ok: 0, formatError: 1, serverFailure: 2, noSuchName: 3, refused: 5 } as const;

const CLASS_IN = 1;
const HEADER = 12;
const FLAG = { response: 0x8000, opcode: 0x7800, recursionDesired: 0x0100, recursionAvailable: 0x0080 } as const;
/** Pointers followed in one name; each must point back, so that there is an end anyway. */
const MAX_JUMPS = 32;
/** Records read of one message. */
const MAX_RECORDS = 128;

/** A question: one to a message, as everybody has it. */
export interface DnsQuestion {
  readonly id: number;
  /** In lower case, without the dot at its end. */
  readonly name: string;
  readonly type: number;
  readonly recursionDesired: boolean;
  /** The question's own bytes, for the answer to repeat. */
  readonly bytes: Uint8Array;
}

interface Name {
  readonly text: string;
  readonly end: number;
}

function readName(message: Uint8Array, from: number): Name | undefined {
  const labels: string[] = [];
  let at = from;
  let end: number | undefined;
  let length = 0;
  for (let jumps = 0; ; ) {
    const size = message[at];
    if (size === undefined) return undefined;
    if (size === 0) break;
    if (size >= 0xc0) {
      const target = ((size & 0x3f) << 8) | (message[at + 1] ?? 0);
      if (at + 2 > message.length || target >= at || ++jumps > MAX_JUMPS) return undefined;
      end ??= at + 2;
      at = target;
      continue;
    }
    length += size + 1;
    if (size > 63 || length > 254 || at + 1 + size > message.length) return undefined;
    labels.push(String.fromCharCode(...message.subarray(at + 1, at + 1 + size)));
    at += 1 + size;
  }
  return { text: labels.join('.').toLowerCase(), end: end ?? at + 1 };
}

/** Reads a query with one question of the Internet's class; undefined when it is anything else. */
export function parseQuestion(message: Uint8Array): DnsQuestion | undefined {
  if (message.length < HEADER) return undefined;
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  const flags = view.getUint16(2);
  if ((flags & (FLAG.response | FLAG.opcode)) !== 0 || view.getUint16(4) !== 1) return undefined;
  const name = readName(message, HEADER);
  if (name === undefined || name.end + 4 > message.length || view.getUint16(name.end + 2) !== CLASS_IN)
    return undefined;
  return {
    id: view.getUint16(0),
    name: name.text,
    type: view.getUint16(name.end),
    recursionDesired: (flags & FLAG.recursionDesired) !== 0,
    bytes: message.slice(HEADER, name.end + 4),
  };
}

/** An answer. @param records type and data of each, for the name that was asked @param ttl seconds that they hold */
export function dnsAnswer(
  question: DnsQuestion,
  status: number,
  records: readonly { readonly type: number; readonly data: Uint8Array }[] = [],
  ttl = 60,
): Uint8Array {
  const size = HEADER + question.bytes.length + records.reduce((sum, { data }) => sum + 12 + data.length, 0);
  const message = new Uint8Array(size);
  const view = new DataView(message.buffer);
  view.setUint16(0, question.id);
  const wanted = question.recursionDesired ? FLAG.recursionDesired : 0;
  view.setUint16(2, FLAG.response | wanted | FLAG.recursionAvailable | status);
  view.setUint16(4, 1);
  view.setUint16(6, records.length);
  message.set(question.bytes, HEADER);
  let at = HEADER + question.bytes.length;
  for (const { type, data } of records) {
    view.setUint16(at, 0xc000 | HEADER); // the question's name
    view.setUint16(at + 2, type);
    view.setUint16(at + 4, CLASS_IN);
    view.setUint32(at + 6, ttl);
    view.setUint16(at + 10, data.length);
    message.set(data, at + 12);
    at += 12 + data.length;
  }
  return message;
}

/** The labels of a name as a record holds them. @param name ASCII, labels up to 63 bytes */
export function encodeName(name: string): Uint8Array {
  const bytes: number[] = [];
  for (const label of name.split('.')) bytes.push(label.length, ...Array.from(label, (c) => c.charCodeAt(0)));
  return Uint8Array.of(...bytes, 0);
}

/** The addresses among the answers of a message. Damage ends the list. */
export function addressesIn(message: Uint8Array): IpAddress[] {
  const addresses: IpAddress[] = [];
  if (message.length < HEADER) return addresses;
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  let at: number | undefined = HEADER;
  for (let i = view.getUint16(4); i > 0 && at !== undefined; i--) {
    const name: Name | undefined = i > MAX_RECORDS ? undefined : readName(message, at);
    at = name && name.end + 4;
  }
  for (let i = Math.min(view.getUint16(6), MAX_RECORDS); i > 0 && at !== undefined; i--) {
    const name = readName(message, at);
    if (name === undefined || name.end + 10 > message.length) break;
    const type = view.getUint16(name.end);
    const from = name.end + 10;
    at = from + view.getUint16(name.end + 8);
    if (at > message.length) break;
    const length = at - from;
    if ((type === DNS_TYPE.a && length === 4) || (type === DNS_TYPE.aaaa && length === 16))
      addresses.push(message.slice(from, at));
  }
  return addresses;
}

/** Cuts an answer to what fits and says so (TC), so that it is asked for again over TCP. */
export function truncateAnswer(message: Uint8Array, question: DnsQuestion, size: number): Uint8Array {
  if (message.length <= size) return message;
  const cut = dnsAnswer(question, message[3] & 15);
  cut[2] |= 0x02;
  return cut;
}

/** How large an answer over UDP may be: 512 bytes, or what an OPT record says (RFC 6891, 6.2.3). */
export function answerLimit(message: Uint8Array, question: DnsQuestion): number {
  const at = HEADER + question.bytes.length;
  const isOpt = message.length >= at + 5 && message[at] === 0 && message[at + 1] === 0 && message[at + 2] === 41;
  return isOpt ? Math.max(512, (message[at + 3] << 8) | message[at + 4]) : 512;
}
