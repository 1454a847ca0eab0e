/** An IPv4 address has 4 bytes, an IPv6 address 16, in network order. */
export type IpAddress = Uint8Array;

/** An address and a port of TCP or UDP. */
export interface Endpoint {
  readonly address: IpAddress;
  readonly port: number;
}

export const BROADCAST_MAC = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff);

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** A short string that is the same for the same bytes: a key of maps. */
export const keyOf = (bytes: Uint8Array): string => String.fromCharCode(...bytes);

/** A unicast MAC address as people write it, or undefined. */
export function parseMac(text: string): Uint8Array | undefined {
  if (!/^[0-9a-f]{2}([:-][0-9a-f]{2}){5}$/i.test(text)) return undefined;
  const mac = Uint8Array.from(text.split(/[:-]/), (digits) => Number.parseInt(digits, 16));
  return (mac[0] & 1) === 0 ? mac : undefined;
}

/** Dotted decimal without leading zeros, which some readers take for octal. */
function parseIpv4(text: string): IpAddress | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255))
    return undefined;
  return Uint8Array.from(parts, Number);
}

/** Groups of hexadecimal digits, at most one `::`, perhaps an IPv4 address at the end (RFC 4291, 2.2). */
function parseIpv6(text: string): IpAddress | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const groups: number[][] = [];
  for (const [index, half] of halves.entries()) {
    const words: number[] = [];
    const parts = half === '' ? [] : half.split(':');
    for (const [at, part] of parts.entries()) {
      const dotted = index === halves.length - 1 && at === parts.length - 1 ? parseIpv4(part) : undefined;
      if (dotted !== undefined) words.push((dotted[0] << 8) | dotted[1], (dotted[2] << 8) | dotted[3]);
      else if (/^[0-9a-f]{1,4}$/i.test(part)) words.push(Number.parseInt(part, 16));
      else return undefined;
    }
    groups.push(words);
  }
  const missing = 8 - groups.flat().length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined;
  const [head, tail = []] = groups;
  const words = halves.length === 1 ? head : [...head, ...Array<number>(missing).fill(0), ...tail];
  return Uint8Array.from(words.flatMap((word) => [word >>> 8, word & 0xff]));
}

/** An address as people write it, or undefined when it is none. */
export const parseIp = (text: string): IpAddress | undefined =>
  text.includes(':') ? parseIpv6(text) : parseIpv4(text);

/** An address that is known to be one. @throws RangeError when it is not */
export function ip(text: string): IpAddress {
  const address = parseIp(text);
  if (address === undefined) throw new RangeError(`"${text}" is no IP address`);
  return address;
}

/** As RFC 5952 writes it: lower case, the longest run of zero groups left out. */
export function formatIp(address: IpAddress): string {
  if (address.length === 4) return address.join('.');
  const words = Array.from({ length: 8 }, (_, i) => (address[2 * i] << 8) | address[2 * i + 1]);
  let best = { at: 0, length: 1 };
  for (let at = 0; at < 8; at++) {
    let length = 0;
    while (at + length < 8 && words[at + length] === 0) length++;
    if (length > best.length) best = { at, length };
  }
  const hex = (part: readonly number[]): string => part.map((word) => word.toString(16)).join(':');
  if (best.length === 1) return hex(words);
  return `${hex(words.slice(0, best.at))}::${hex(words.slice(best.at + best.length))}`;
}

/** `192.0.2.1:80`, `[2001:db8::1]:80`. */
export const formatEndpoint = ({ address, port }: Endpoint): string =>
  address.length === 4 ? `${formatIp(address)}:${port}` : `[${formatIp(address)}]:${port}`;

/** An address block such as 10.0.0.0/8. */
export interface Prefix {
  readonly address: IpAddress;
  readonly bits: number;
}

/** A prefix as people write it; an address alone is a prefix of all its bits. Undefined when it is none. */
export function parsePrefix(text: string): Prefix | undefined {
  const [name, length, ...rest] = text.split('/');
  const address = parseIp(name);
  if (address === undefined || rest.length > 0) return undefined;
  if (length === undefined) return { address, bits: address.length * 8 };
  if (!/^\d{1,3}$/.test(length) || Number(length) > address.length * 8) return undefined;
  return { address, bits: Number(length) };
}

/** Whether the address is of the prefix. */
export function inPrefix(address: IpAddress, { address: prefix, bits }: Prefix): boolean {
  if (address.length !== prefix.length) return false;
  const whole = bits >>> 3;
  for (let i = 0; i < whole; i++) if (address[i] !== prefix[i]) return false;
  const rest = bits & 7;
  return rest === 0 || ((address[whole] ^ prefix[whole]) & (0xff00 >>> rest) & 0xff) === 0;
}

const MAPPED = ip('::ffff:0:0');

/** The IPv4 address that an IPv4-mapped IPv6 address (RFC 4291, 2.5.5.2) stands for; any other address as it is. */
export function unmapped(address: IpAddress): IpAddress {
  return address.length === 16 && inPrefix(address, { address: MAPPED, bits: 96 }) ? address.subarray(12) : address;
}
