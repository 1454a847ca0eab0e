/**
 * A frame as it passes between a machine and what its wire leads to: the first ten bytes of virtio's `struct virtio_net_hdr` (virtio 1.2,
 * 5.1.6; little-endian), which say what of the frame's checksum and segmentation was left for later, and then the Ethernet frame without
 * its check sequence. With ten zero bytes the frame is complete as it is.
 */

import { checksum } from './checksum.ts';

/** Bytes in front of the Ethernet frame. */
export const OFFLOAD_SIZE = 10;
export const ETHERNET_SIZE = 14;

/** Most bytes of a frame: an IP packet of 65,535 bytes behind Ethernet with one VLAN tag, and the offload header. */
export const MAX_FRAME = OFFLOAD_SIZE + ETHERNET_SIZE + 4 + 0xffff;

export const OFFLOAD_FLAG = { needsChecksum: 1, checksumValid: 2 } as const;
export const GSO = { none: 0, tcpv4: 1, udp: 3, tcpv6: 4, ecn: 0x80 } as const;

/** What a frame's header says of work that was left for later. */
export interface Offload {
  /** The checksum is to be computed from `checksumStart` (offset into the Ethernet frame) to the end, and stored at `checksumOffset` from there. */
  readonly needsChecksum: boolean;
  readonly checksumStart: number;
  readonly checksumOffset: number;
  /** One of {@link GSO}, without ECN's bit: the frame is to be cut into segments of `segmentSize` bytes of payload. */
  readonly segmentation: number;
  readonly segmentSize: number;
}

const u16 = (bytes: Uint8Array, at: number): number => bytes[at] | (bytes[at + 1] << 8);

/** Reads the offload header; the frame has at least {@link OFFLOAD_SIZE} bytes. */
export function readOffload(frame: Uint8Array): Offload {
  return {
    needsChecksum: (frame[0] & OFFLOAD_FLAG.needsChecksum) !== 0,
    segmentation: frame[1] & ~GSO.ecn,
    segmentSize: u16(frame, 4),
    checksumStart: u16(frame, 6),
    checksumOffset: u16(frame, 8),
  };
}

/** Writes an offload header. @param headerSize bytes of all headers, a hint of where payload begins */
export function writeOffload(frame: Uint8Array, offload: Offload, headerSize: number): void {
  frame[0] = offload.needsChecksum ? OFFLOAD_FLAG.needsChecksum : 0;
  frame[1] = offload.segmentation;
  for (const [at, value] of [
    headerSize,
    offload.segmentSize,
    offload.checksumStart,
    offload.checksumOffset,
  ].entries()) {
    frame[2 + 2 * at] = value & 0xff;
    frame[3 + 2 * at] = value >>> 8;
  }
}

/** The Ethernet frame within. */
export const ethernetOf = (frame: Uint8Array): Uint8Array => frame.subarray(OFFLOAD_SIZE);

/** An Ethernet frame as a frame that needs nothing more. */
export function completeFrame(ethernet: Uint8Array): Uint8Array {
  const frame = new Uint8Array(OFFLOAD_SIZE + ethernet.length);
  frame.set(ethernet, OFFLOAD_SIZE);
  return frame;
}

/** Computes the checksum that was left for later, in place, when there is one. @returns false when it lies outside the frame */
export function finishChecksum(frame: Uint8Array): boolean {
  const { needsChecksum, checksumStart, checksumOffset } = readOffload(frame);
  if (!needsChecksum) return true;
  const ethernet = ethernetOf(frame);
  const at = checksumStart + checksumOffset;
  if (at + 2 > ethernet.length) return false;
  // The field holds the sum of the pseudo-header and is part of what is summed.
  const sum = checksum(ethernet, checksumStart) || 0xffff;
  ethernet[at] = sum >>> 8;
  ethernet[at + 1] = sum & 0xff;
  frame[0] &= ~OFFLOAD_FLAG.needsChecksum;
  frame.fill(0, 6, OFFLOAD_SIZE);
  return true;
}
