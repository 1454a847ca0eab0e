import { checksum, pseudoHeaderSum } from './checksum.ts';
import { completeFrame, ETHERNET_SIZE, ethernetOf, finishChecksum, GSO, readOffload } from './frame.ts';

const TCP = 6;
const TCP_FIN = 0x01;
const TCP_PSH = 0x08;
const TCP_CWR = 0x80;

/** Fewest bytes of a segment's payload: what a driver asks for below is no segmentation one can afford. */
const MIN_SEGMENT = 64;

/**
 * The frames a receiver that takes no offloads gets in place of `frame`: cut into segments and with their checksums (TCP over IPv4 without
 * options and over IPv6 without extension headers). Empty when the header asks for what is not possible.
 */
export function segmentFrame(frame: Uint8Array): Uint8Array[] {
  const offload = readOffload(frame);
  if (offload.segmentation === GSO.none) {
    if (!offload.needsChecksum) return [frame];
    const whole = frame.slice();
    return finishChecksum(whole) ? [whole] : [];
  }
  const ethernet = ethernetOf(frame);
  const v6 = offload.segmentation === GSO.tcpv6;
  const at = ETHERNET_SIZE + (v6 ? 40 : 20);
  const sound =
    (v6 || offload.segmentation === GSO.tcpv4) &&
    ethernet.length >= at + 20 &&
    ethernet[ETHERNET_SIZE] === (v6 ? 0x60 : 0x45) &&
    ethernet[ETHERNET_SIZE + (v6 ? 6 : 9)] === TCP &&
    offload.segmentSize >= MIN_SEGMENT;
  if (!sound) return [];
  const header = at + (ethernet[at + 12] >>> 4) * 4;
  if (header < at + 20 || header > ethernet.length) return [];
  const frames: Uint8Array[] = [];
  for (let from = header; from < ethernet.length || from === header; from += offload.segmentSize) {
    const payload = ethernet.subarray(from, from + offload.segmentSize);
    const piece = new Uint8Array(header + payload.length);
    piece.set(ethernet.subarray(0, header));
    piece.set(payload, header);
    const last = from + offload.segmentSize >= ethernet.length;
    finishSegment(piece, { v6, at, advance: from - header, index: frames.length, last });
    frames.push(completeFrame(piece));
  }
  return frames;
}

/** Gives a segment its own lengths, identification, sequence number, flags and checksums. */
function finishSegment(
  piece: Uint8Array,
  place: {
    readonly v6: boolean;
    readonly at: number;
    readonly advance: number;
    readonly index: number;
    readonly last: boolean;
  },
): void {
  const { v6, at, advance, index, last } = place;
  const view = new DataView(piece.buffer, piece.byteOffset, piece.byteLength);
  const ipAt = ETHERNET_SIZE;
  if (v6) view.setUint16(ipAt + 4, piece.length - at);
  else {
    view.setUint16(ipAt + 2, piece.length - ipAt);
    view.setUint16(ipAt + 4, (view.getUint16(ipAt + 4) + index) & 0xffff);
    view.setUint16(ipAt + 10, 0);
    view.setUint16(ipAt + 10, checksum(piece, ipAt, at));
  }
  view.setUint32(at + 4, (view.getUint32(at + 4) + advance) >>> 0);
  if (!last) piece[at + 13] &= ~(TCP_FIN | TCP_PSH);
  if (index > 0) piece[at + 13] &= ~TCP_CWR;
  view.setUint16(at + 16, 0);
  const source = v6 ? piece.subarray(ipAt + 8, ipAt + 24) : piece.subarray(ipAt + 12, ipAt + 16);
  const destination = v6 ? piece.subarray(ipAt + 24, ipAt + 40) : piece.subarray(ipAt + 16, ipAt + 20);
  const pseudo = pseudoHeaderSum(source, destination, TCP, piece.length - at);
  view.setUint16(at + 16, checksum(piece, at, piece.length, pseudo));
}
