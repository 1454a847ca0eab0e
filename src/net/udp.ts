import type { Endpoint } from './address.ts';
import { checksum, pseudoHeaderSum } from './checksum.ts';
import { type IpPacket, newPacket, PROTOCOL, payloadOffset } from './ip.ts';

const HEADER = 8;

/** A datagram (RFC 768). */
export interface Datagram {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly data: Uint8Array;
}

/** Reads a datagram. @param trusted its checksum was left for later @returns undefined when it is cut or damaged */
export function parseUdp(packet: IpPacket, trusted: boolean): Datagram | undefined {
  const { payload } = packet;
  if (payload.length < HEADER) return undefined;
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const length = view.getUint16(4);
  if (length < HEADER || length > payload.length) return undefined;
  const given = view.getUint16(6);
  // Zero says that there is none, which IPv6 does not allow (RFC 8200, 8.1).
  if (given === 0 && packet.source.length === 16) return undefined;
  if (given !== 0 && !trusted) {
    const pseudo = pseudoHeaderSum(packet.source, packet.destination, PROTOCOL.udp, length);
    if (checksum(payload, 0, length, pseudo) !== 0) return undefined;
  }
  return { sourcePort: view.getUint16(0), destinationPort: view.getUint16(2), data: payload.subarray(HEADER, length) };
}

/** A frame with a datagram. */
export function udpFrame(
  macs: { readonly sourceMac: Uint8Array; readonly destinationMac: Uint8Array },
  from: Endpoint,
  to: Endpoint,
  data: Uint8Array,
): Uint8Array {
  const head = { ...macs, source: from.address, destination: to.address, protocol: PROTOCOL.udp };
  const length = HEADER + data.length;
  const frame = newPacket(head, length);
  const at = payloadOffset(from.address);
  const view = new DataView(frame.buffer);
  view.setUint16(at, from.port);
  view.setUint16(at + 2, to.port);
  view.setUint16(at + 4, length);
  frame.set(data, at + HEADER);
  const sum = checksum(frame, at, frame.length, pseudoHeaderSum(from.address, to.address, PROTOCOL.udp, length));
  view.setUint16(at + 6, sum || 0xffff);
  return frame;
}
