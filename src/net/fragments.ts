import { keyOf } from './address.ts';
import { checksum } from './checksum.ts';
import { ETHERNET_SIZE, OFFLOAD_SIZE } from './frame.ts';
import { type IpPacket, ipHeaderSize, newPacket, type PacketHead, PROTOCOL, payloadOffset } from './ip.ts';

/** Milliseconds that pieces of a packet are kept (RFC 791 suggests 15 s, RFC 8200 asks for 60). */
const LIFETIME = 30_000;
/** Packets that may be incomplete at a time, and pieces of each. */
const MAX_PACKETS = 16;
const MAX_PIECES = 64;
const MAX_PAYLOAD = 0xffff;

interface Partial {
  readonly since: number;
  readonly pieces: { readonly offset: number; readonly bytes: Uint8Array }[];
  /** Bytes of the whole, once its last piece is there. */
  length: number | undefined;
}

/** Puts fragments together again (RFC 791, 3.2; RFC 8200, 4.5). Overlapping pieces spoil their packet (RFC 5722). */
export class Reassembly {
  private readonly partial = new Map<string, Partial>();

  /** Takes a fragment. @returns the whole packet when this was the last piece missing */
  add(packet: IpPacket, now: number): IpPacket | undefined {
    const { fragment, payload } = packet;
    if (fragment === undefined) return packet;
    const key = `${keyOf(packet.source)}${keyOf(packet.destination)}${packet.protocol},${fragment.identification}`;
    for (const [old, { since }] of this.partial) if (now - since > LIFETIME) this.partial.delete(old);
    let whole = this.partial.get(key);
    if (whole === undefined) {
      const [oldest] = this.partial.keys();
      if (this.partial.size >= MAX_PACKETS && oldest !== undefined) this.partial.delete(oldest);
      this.partial.set(key, (whole = { since: now, pieces: [], length: undefined }));
    }
    const end = fragment.offset + payload.length;
    const sound =
      payload.length > 0 &&
      end <= MAX_PAYLOAD &&
      whole.pieces.length < MAX_PIECES &&
      (!fragment.more || payload.length % 8 === 0) &&
      (fragment.more || whole.length === undefined) &&
      (whole.length === undefined || end <= whole.length) &&
      whole.pieces.every((p) => end <= p.offset || fragment.offset >= p.offset + p.bytes.length);
    if (!sound) {
      this.partial.delete(key);
      return undefined;
    }
    if (!fragment.more) whole.length = end;
    whole.pieces.push({ offset: fragment.offset, bytes: payload.slice() });
    const { length } = whole;
    if (length === undefined || whole.pieces.reduce((sum, p) => sum + p.bytes.length, 0) < length) return undefined;
    this.partial.delete(key);
    if (whole.pieces.some((p) => p.offset + p.bytes.length > length)) return undefined;
    const bytes = new Uint8Array(length);
    for (const piece of whole.pieces) bytes.set(piece.bytes, piece.offset);
    const { source, destination, protocol, hopLimit } = packet;
    return {
      source: source.slice(),
      destination: destination.slice(),
      protocol,
      hopLimit,
      payload: bytes,
      packet: packet.packet,
    };
  }
}

/** A packet's frame as it fits a wire of `mtu` bytes: itself, or fragments. @param identification the same for all pieces */
export function fragmentPacket(frame: Uint8Array, head: PacketHead, mtu: number, identification: number): Uint8Array[] {
  const at = payloadOffset(head.source);
  if (frame.length - OFFLOAD_SIZE - ETHERNET_SIZE <= mtu) return [frame];
  const v4 = head.source.length === 4;
  const extra = v4 ? 0 : 8;
  const room = (mtu - ipHeaderSize(head.source) - extra) & ~7;
  const frames: Uint8Array[] = [];
  for (let from = at; from < frame.length; from += room) {
    const piece = frame.subarray(from, from + room);
    const more = from + room < frame.length;
    const offset = from - at;
    const out = newPacket({ ...head, protocol: v4 ? head.protocol : PROTOCOL.fragment }, extra + piece.length);
    const view = new DataView(out.buffer);
    if (v4) {
      const header = OFFLOAD_SIZE + ETHERNET_SIZE;
      view.setUint16(header + 4, identification & 0xffff);
      view.setUint16(header + 6, (more ? 0x2000 : 0) | (offset >>> 3));
      view.setUint16(header + 10, 0);
      view.setUint16(header + 10, checksum(out, header, header + 20));
    } else {
      out[at] = head.protocol;
      view.setUint16(at + 2, offset | Number(more));
      view.setUint32(at + 4, identification);
    }
    out.set(piece, at + extra);
    frames.push(out);
  }
  return frames;
}
