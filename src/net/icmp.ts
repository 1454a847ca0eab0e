import { checksum, pseudoHeaderSum } from './checksum.ts';
import { type IpPacket, newPacket, type PacketHead, PROTOCOL, payloadOffset } from './ip.ts';

/** Types of ICMP (RFC 792) and ICMPv6 (RFC 4443, RFC 4861). */
export const ICMP = { echoReply: 0, unreachable: 3, echoRequest: 8 } as const;
export const ICMPV6 = {
  unreachable: 1,
  echoRequest: 128,
  echoReply: 129,
  routerSolicitation: 133,
  routerAdvertisement: 134,
  neighbourSolicitation: 135,
  neighbourAdvertisement: 136,
} as const;

/** Why a packet could not be delivered: codes of ICMP (RFC 792, RFC 1812) and of ICMPv6 (RFC 4443, 3.1). */
export const UNREACHABLE = {
  network: { v4: 0, v6: 0 },
  host: { v4: 1, v6: 3 },
  port: { v4: 3, v6: 4 },
  prohibited: { v4: 13, v6: 1 },
} as const;
export type Unreachable = keyof typeof UNREACHABLE;

/** How much of a packet an error quotes (RFC 1812, 4.3.2.3; RFC 4443, 2.4). */
const QUOTED = 576 - 20 - 8;

/** Whether the message is whole. */
export function soundIcmp(packet: IpPacket): boolean {
  const { payload } = packet;
  if (payload.length < 8) return false;
  const pseudo =
    packet.protocol === PROTOCOL.icmpv6
      ? pseudoHeaderSum(packet.source, packet.destination, PROTOCOL.icmpv6, payload.length)
      : 0;
  return checksum(payload, 0, payload.length, pseudo) === 0;
}

/** A frame with an ICMP or ICMPv6 message, by the head's protocol. @param message type, code, two bytes for the checksum, and the rest */
export function icmpFrame(head: PacketHead, message: Uint8Array): Uint8Array {
  const frame = newPacket(head, message.length);
  const at = payloadOffset(head.source);
  frame.set(message, at);
  frame[at + 2] = 0;
  frame[at + 3] = 0;
  const pseudo =
    head.protocol === PROTOCOL.icmpv6
      ? pseudoHeaderSum(head.source, head.destination, PROTOCOL.icmpv6, message.length)
      : 0;
  const sum = checksum(frame, at, frame.length, pseudo);
  frame[at + 2] = sum >>> 8;
  frame[at + 3] = sum & 0xff;
  return frame;
}

/** The answer to an echo request. */
export function echoReply(request: IpPacket): Uint8Array {
  const message = request.payload.slice();
  message[0] = request.protocol === PROTOCOL.icmp ? ICMP.echoReply : ICMPV6.echoReply;
  return message;
}

/** The message that `packet` could not be delivered. */
export function unreachableMessage(packet: IpPacket, why: Unreachable): Uint8Array {
  const quoted = packet.packet.subarray(0, QUOTED);
  const message = new Uint8Array(8 + quoted.length);
  const v4 = packet.source.length === 4;
  message[0] = v4 ? ICMP.unreachable : ICMPV6.unreachable;
  message[1] = UNREACHABLE[why][v4 ? 'v4' : 'v6'];
  message.set(quoted, 8);
  return message;
}
