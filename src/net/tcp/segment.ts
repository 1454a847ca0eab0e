import type { Endpoint } from '../address.ts';
import { checksum, fold, pseudoHeaderSum } from '../checksum.ts';
import { ETHERNET_SIZE, GSO, OFFLOAD_SIZE, writeOffload } from '../frame.ts';
import { type IpPacket, newPacket, PROTOCOL, payloadOffset } from '../ip.ts';

export const TCP_FLAG = { fin: 0x01, syn: 0x02, rst: 0x04, psh: 0x08, ack: 0x10 } as const;
const OPTION = { end: 0, nop: 1, mss: 2, scale: 3 } as const;
const HEADER = 20;
const CHECKSUM_AT = 16;
/** Largest shift of the window scale option (RFC 7323, 2.3). */
const MAX_SCALE = 14;

/** A segment as it came (RFC 9293, 3.1). */
export interface TcpSegment {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  /** As in the header: not scaled. */
  readonly window: number;
  /** Maximum segment size option. */
  readonly mss?: number;
  /** Window scale option. */
  readonly scale?: number;
  readonly data: Uint8Array;
}

/** Reads a segment. @param trusted its checksum was left for later @returns undefined when it is cut or damaged */
export function parseTcp(packet: IpPacket, trusted: boolean): TcpSegment | undefined {
  const { payload } = packet;
  if (payload.length < HEADER) return undefined;
  const header = (payload[12] >>> 4) * 4;
  if (header < HEADER || header > payload.length) return undefined;
  if (!trusted) {
    const pseudo = pseudoHeaderSum(packet.source, packet.destination, PROTOCOL.tcp, payload.length);
    if (checksum(payload, 0, payload.length, pseudo) !== 0) return undefined;
  }
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const flags = payload[13];
  return {
    sourcePort: view.getUint16(0),
    destinationPort: view.getUint16(2),
    seq: view.getUint32(4),
    ack: view.getUint32(8),
    flags,
    window: view.getUint16(14),
    // Options that matter come with SYN only.
    ...((flags & TCP_FLAG.syn) !== 0 && readOptions(payload.subarray(HEADER, header))),
    data: payload.subarray(header),
  };
}

function readOptions(options: Uint8Array): Pick<TcpSegment, 'mss' | 'scale'> {
  const found: { mss?: number; scale?: number } = {};
  for (let at = 0; at < options.length && options[at] !== OPTION.end; ) {
    if (options[at] === OPTION.nop) {
      at++;
      continue;
    }
    const length = options[at + 1];
    if (!(length >= 2) || at + length > options.length) break;
    if (options[at] === OPTION.mss && length === 4) found.mss = (options[at + 2] << 8) | options[at + 3];
    if (options[at] === OPTION.scale && length === 3) found.scale = Math.min(options[at + 2], MAX_SCALE);
    at += length;
  }
  return found;
}

/** What a segment to be sent says. */
export interface SegmentHead {
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  readonly window: number;
  /** Put into options; with SYN only. */
  readonly mss?: number;
  readonly scale?: number;
}

/** Addresses on the wire and above it. */
export interface Path {
  readonly sourceMac: Uint8Array;
  readonly destinationMac: Uint8Array;
  readonly source: Endpoint;
  readonly destination: Endpoint;
}

/**
 * A frame with a segment. One with more payload than `segmentSize` is left to be cut where it is received; it and its checksum are
 * finished there ({@link ../segmentation.ts}).
 * @param fill writes the payload into its place
 */
export function tcpFrame(
  path: Path,
  head: SegmentHead,
  length = 0,
  segmentSize = 0,
  fill?: (target: Uint8Array) => void,
): Uint8Array {
  const { source, destination } = path;
  const options = (head.mss === undefined ? 0 : 4) + (head.scale === undefined ? 0 : 4);
  const header = HEADER + options;
  const size = header + length;
  const frame = newPacket(
    { ...path, source: source.address, destination: destination.address, protocol: PROTOCOL.tcp },
    size,
  );
  const at = payloadOffset(source.address);
  const view = new DataView(frame.buffer);
  view.setUint16(at, source.port);
  view.setUint16(at + 2, destination.port);
  view.setUint32(at + 4, head.seq);
  view.setUint32(at + 8, head.ack);
  frame[at + 12] = (header / 4) << 4;
  frame[at + 13] = head.flags;
  view.setUint16(at + 14, head.window);
  let option = at + HEADER;
  if (head.mss !== undefined) {
    frame[option] = OPTION.mss;
    frame[option + 1] = 4;
    view.setUint16(option + 2, head.mss);
    option += 4;
  }
  if (head.scale !== undefined) frame.set([OPTION.nop, OPTION.scale, 3, head.scale], option);
  fill?.(frame.subarray(at + header));
  const pseudo = pseudoHeaderSum(source.address, destination.address, PROTOCOL.tcp, size);
  if (length > segmentSize && segmentSize > 0) {
    view.setUint16(at + CHECKSUM_AT, fold(pseudo));
    const ethernetHeaders = at - OFFLOAD_SIZE + header;
    writeOffload(
      frame,
      {
        needsChecksum: true,
        checksumStart: at - OFFLOAD_SIZE,
        checksumOffset: CHECKSUM_AT,
        segmentation: source.address.length === 4 ? GSO.tcpv4 : GSO.tcpv6,
        segmentSize,
      },
      ethernetHeaders,
    );
  } else view.setUint16(at + CHECKSUM_AT, checksum(frame, at, frame.length, pseudo));
  return frame;
}

/** The reset that answers a segment of no connection (RFC 9293, 3.10.7.1); undefined for a reset, which nothing answers. */
export function resetFor(segment: Pick<TcpSegment, 'seq' | 'ack' | 'flags' | 'data'>): SegmentHead | undefined {
  if ((segment.flags & TCP_FLAG.rst) !== 0) return undefined;
  if ((segment.flags & TCP_FLAG.ack) !== 0) return { seq: segment.ack, ack: 0, flags: TCP_FLAG.rst, window: 0 };
  const length =
    segment.data.length + Number((segment.flags & TCP_FLAG.syn) !== 0) + Number((segment.flags & TCP_FLAG.fin) !== 0);
  return { seq: 0, ack: (segment.seq + length) >>> 0, flags: TCP_FLAG.rst | TCP_FLAG.ack, window: 0 };
}

/** Bytes of a packet's headers for a segment without options. */
export const tcpOverhead = (address: Uint8Array): number =>
  payloadOffset(address) - OFFLOAD_SIZE - ETHERNET_SIZE + HEADER;
