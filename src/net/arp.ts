import { BROADCAST_MAC, type IpAddress } from './address.ts';
import { ETHERNET_SIZE, OFFLOAD_SIZE } from './frame.ts';
import { ETHERTYPE, writeEthernet } from './ip.ts';

const SIZE = 28;
export const ARP_OPERATION = { request: 1, reply: 2 } as const;

/** An ARP packet for IPv4 over Ethernet (RFC 826). */
export interface ArpPacket {
  readonly operation: number;
  readonly senderMac: Uint8Array;
  readonly senderAddress: IpAddress;
  readonly targetAddress: IpAddress;
}

/** Reads an ARP packet; undefined when it is cut or of other protocols. */
export function parseArp(bytes: Uint8Array): ArpPacket | undefined {
  if (bytes.length < SIZE) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint16(0) !== 1 || view.getUint16(2) !== ETHERTYPE.ipv4 || bytes[4] !== 6 || bytes[5] !== 4)
    return undefined;
  return {
    operation: view.getUint16(6),
    senderMac: bytes.subarray(8, 14),
    senderAddress: bytes.subarray(14, 18),
    targetAddress: bytes.subarray(24, 28),
  };
}

/** A frame with an ARP packet. @param target whom a reply is for; a request goes to everybody */
export function arpFrame(
  operation: number,
  sender: { readonly mac: Uint8Array; readonly address: IpAddress },
  target: { readonly mac?: Uint8Array; readonly address: IpAddress },
): Uint8Array {
  const frame = new Uint8Array(OFFLOAD_SIZE + ETHERNET_SIZE + SIZE);
  writeEthernet(frame, target.mac ?? BROADCAST_MAC, sender.mac, ETHERTYPE.arp);
  const at = OFFLOAD_SIZE + ETHERNET_SIZE;
  frame.set([0, 1, 8, 0, 6, 4, 0, operation], at);
  frame.set(sender.mac, at + 8);
  frame.set(sender.address, at + 14);
  if (target.mac !== undefined) frame.set(target.mac, at + 18);
  frame.set(target.address, at + 24);
  return frame;
}
