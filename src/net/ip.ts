import type { IpAddress } from './address.ts';
import { checksum } from './checksum.ts';
import { ETHERNET_SIZE, OFFLOAD_SIZE } from './frame.ts';

export const ETHERTYPE = { ipv4: 0x0800, arp: 0x0806, ipv6: 0x86dd } as const;
export const PROTOCOL = {
  hopByHop: 0,
  icmp: 1,
  tcp: 6,
  udp: 17,
  fragment: 44,
  icmpv6: 58,
  destinationOptions: 60,
} as const;

const HOP_LIMIT = 64;

/** A piece of a packet that was too long for the wire. */
export interface Fragment {
  readonly identification: number;
  /** Bytes into the packet's payload. */
  readonly offset: number;
  readonly more: boolean;
}

/** An IP packet of either version. */
export interface IpPacket {
  readonly source: IpAddress;
  readonly destination: IpAddress;
  /** One of {@link PROTOCOL}, or another. */
  readonly protocol: number;
  readonly hopLimit: number;
  readonly payload: Uint8Array;
  /** Where the packet is only a piece of one. */
  readonly fragment?: Fragment;
  /** The packet itself from its header on, for errors to quote. */
  readonly packet: Uint8Array;
}

/** Reads an IPv4 packet (RFC 791). Undefined when it is cut, inconsistent or its header's checksum is wrong. */
export function parseIpv4(bytes: Uint8Array): IpPacket | undefined {
  if (bytes.length < 20 || bytes[0] >>> 4 !== 4) return undefined;
  const header = (bytes[0] & 15) * 4;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const total = view.getUint16(2);
  if (header < 20 || total < header || total > bytes.length || checksum(bytes, 0, header) !== 0) return undefined;
  const word = view.getUint16(6);
  const offset = (word & 0x1fff) * 8;
  const more = (word & 0x2000) !== 0;
  return {
    source: bytes.subarray(12, 16),
    destination: bytes.subarray(16, 20),
    protocol: bytes[9],
    hopLimit: bytes[8],
    payload: bytes.subarray(header, total),
    ...((more || offset > 0) && { fragment: { identification: view.getUint16(4), offset, more } }),
    packet: bytes.subarray(0, total),
  };
}

/** Reads an IPv6 packet (RFC 8200) and passes over its options. Undefined when it is cut or inconsistent. */
export function parseIpv6(bytes: Uint8Array): IpPacket | undefined {
  if (bytes.length < 40 || bytes[0] >>> 4 !== 6) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = 40 + view.getUint16(4);
  if (end > bytes.length) return undefined;
  let protocol = bytes[6];
  let at = 40;
  let fragment: Fragment | undefined;
  while (protocol === PROTOCOL.hopByHop || protocol === PROTOCOL.destinationOptions || protocol === PROTOCOL.fragment) {
    if (at + 8 > end) return undefined;
    if (protocol === PROTOCOL.fragment) {
      const word = view.getUint16(at + 2);
      fragment = { identification: view.getUint32(at + 4), offset: word & 0xfff8, more: (word & 1) !== 0 };
    }
    const length = protocol === PROTOCOL.fragment ? 8 : 8 + bytes[at + 1] * 8;
    protocol = bytes[at];
    at += length;
    if (at > end) return undefined;
    if (fragment !== undefined) break; // what follows belongs to the whole packet
  }
  return {
    source: bytes.subarray(8, 24),
    destination: bytes.subarray(24, 40),
    protocol,
    hopLimit: bytes[7],
    payload: bytes.subarray(at, end),
    ...(fragment && { fragment }),
    packet: bytes.subarray(0, end),
  };
}

/** What a packet to be sent is made of. */
export interface PacketHead {
  readonly sourceMac: Uint8Array;
  readonly destinationMac: Uint8Array;
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly protocol: number;
  /** 64 if not given. */
  readonly hopLimit?: number;
}

/** Bytes of the IP header for addresses of that length. */
export const ipHeaderSize = (address: IpAddress): number => (address.length === 4 ? 20 : 40);

/** Offset of the payload in a frame made by {@link newPacket}. */
export const payloadOffset = (address: IpAddress): number => OFFLOAD_SIZE + ETHERNET_SIZE + ipHeaderSize(address);

/** A frame with its Ethernet and IP headers written and room for a payload; all else is zero. */
export function newPacket(head: PacketHead, length: number): Uint8Array {
  const at = OFFLOAD_SIZE + ETHERNET_SIZE;
  const header = ipHeaderSize(head.source);
  const frame = new Uint8Array(at + header + length);
  const v4 = header === 20;
  writeEthernet(frame, head.destinationMac, head.sourceMac, v4 ? ETHERTYPE.ipv4 : ETHERTYPE.ipv6);
  const view = new DataView(frame.buffer);
  const hopLimit = head.hopLimit ?? HOP_LIMIT;
  if (v4) {
    frame[at] = 0x45;
    view.setUint16(at + 2, header + length);
    view.setUint16(at + 6, 0x4000); // don't fragment, so that the identification may be zero (RFC 6864)
    frame[at + 8] = hopLimit;
    frame[at + 9] = head.protocol;
    frame.set(head.source, at + 12);
    frame.set(head.destination, at + 16);
    view.setUint16(at + 10, checksum(frame, at, at + 20));
  } else {
    frame[at] = 0x60;
    view.setUint16(at + 4, length);
    frame[at + 6] = head.protocol;
    frame[at + 7] = hopLimit;
    frame.set(head.source, at + 8);
    frame.set(head.destination, at + 24);
  }
  return frame;
}

/** Writes the Ethernet header of a frame. */
export function writeEthernet(frame: Uint8Array, destination: Uint8Array, source: Uint8Array, type: number): void {
  frame.set(destination, OFFLOAD_SIZE);
  frame.set(source, OFFLOAD_SIZE + 6);
  frame[OFFLOAD_SIZE + 12] = type >>> 8;
  frame[OFFLOAD_SIZE + 13] = type & 0xff;
}
