import type { ByteReader } from '../bytes/reader.ts';
import type { ByteWriter } from '../bytes/writer.ts';
import type { Instant } from './door.ts';

/** An event or a note as it is stored. */
export interface StoredEvent {
  readonly kind: number;
  readonly port: number;
  readonly at: Instant;
  readonly time: number;
  /** The payload, or the number of one that is stored in a chunk of payloads. */
  readonly payload: Uint8Array | number;
}

/**
 * Codes and decodes the events of one chunk, each relative to the one before:
 *
 * ```
 * kind u8   port u8   instructions since the event before   sequence   skipped ticks since the event before
 * length · 2, then the payload; or number · 2 + 1 of a stored payload
 * ```
 * Both distances may be negative after a note that the machine went back; all numbers are varints, distances zigzag.
 */
export class EventCodec {
  private instructions = 0;
  private skipped = 0;

  pack(w: ByteWriter, { kind, port, at, time, payload }: StoredEvent): void {
    const skipped = time - at.instructions;
    w.u8(kind);
    w.u8(port);
    w.zigzag(at.instructions - this.instructions);
    w.varint(at.sequence);
    w.zigzag(skipped - this.skipped);
    if (typeof payload === 'number') w.varint(payload * 2 + 1);
    else {
      w.varint(payload.length * 2);
      w.raw(payload);
    }
    this.instructions = at.instructions;
    this.skipped = skipped;
  }

  unpack(r: ByteReader): StoredEvent {
    const kind = r.u8();
    const port = r.u8();
    this.instructions += r.zigzag();
    const sequence = r.varint();
    this.skipped += r.zigzag();
    const payload = r.varint();
    return {
      kind,
      port,
      at: { instructions: this.instructions, sequence },
      time: this.instructions + this.skipped,
      payload: payload % 2 === 1 ? (payload - 1) / 2 : r.raw(payload / 2),
    };
  }
}
