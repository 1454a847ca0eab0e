/** Neighbour discovery and router advertisement (RFC 4861), so that a guest configures itself (RFC 4862) and finds its resolver (RFC 8106). */
import { type IpAddress, ip, type Prefix } from './address.ts';
import { ICMPV6 } from './icmp.ts';

const OPTION = { sourceLinkAddress: 1, targetLinkAddress: 2, prefix: 3, mtu: 5, rdnss: 25 } as const;

export const ALL_NODES = ip('ff02::1');

/** Router lifetime in seconds: the most there is (RFC 8319), so that a guest is not woken for it often. */
const ROUTER_LIFETIME = 65_535;
const FOREVER = 0xffff_ffff;

/** The Ethernet address of a multicast group (RFC 2464, 7). */
export const multicastMac = (group: IpAddress): Uint8Array => Uint8Array.of(0x33, 0x33, ...group.subarray(12));

/** The address that a solicitation asks for, or undefined when it is cut or for a group. */
export function solicitedTarget(message: Uint8Array): IpAddress | undefined {
  if (message.length < 24 || message[8] === 0xff) return undefined;
  return message.subarray(8, 24);
}

/** The answer to a neighbour solicitation. @param solicited false when whoever asked has no address yet */
export function neighbourAdvertisement(target: IpAddress, mac: Uint8Array, solicited: boolean): Uint8Array {
  const message = new Uint8Array(32);
  message[0] = ICMPV6.neighbourAdvertisement;
  message[4] = 0x80 | (solicited ? 0x40 : 0) | 0x20; // router, solicited, override
  message.set(target, 8);
  message[24] = OPTION.targetLinkAddress;
  message[25] = 1;
  message.set(mac, 26);
  return message;
}

/** Announces a router, a prefix to make addresses of, the wire's MTU and the resolver. */
export function routerAdvertisement(mac: Uint8Array, prefix: Prefix, resolver: IpAddress, mtu: number): Uint8Array {
  const message = new Uint8Array(16 + 8 + 8 + 32 + 24);
  const view = new DataView(message.buffer);
  message[0] = ICMPV6.routerAdvertisement;
  message[4] = 64; // hop limit
  view.setUint16(6, ROUTER_LIFETIME);
  message.set([OPTION.sourceLinkAddress, 1], 16);
  message.set(mac, 18);
  message.set([OPTION.mtu, 1], 24);
  view.setUint32(28, mtu);
  message.set([OPTION.prefix, 4, prefix.bits, 0xc0], 32); // on the link, for making addresses
  view.setUint32(36, FOREVER);
  view.setUint32(40, FOREVER);
  message.set(prefix.address, 48);
  message.set([OPTION.rdnss, 3], 64);
  view.setUint32(68, FOREVER);
  message.set(resolver, 72);
  return message;
}
