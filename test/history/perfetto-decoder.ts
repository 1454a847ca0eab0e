/** Reads the parts of Perfetto's trace_packet.proto, track_descriptor.proto, track_event.proto that the writer uses. */

export interface TraceTrack {
  readonly name?: string;
  readonly parent?: bigint;
  readonly process?: object;
  readonly thread?: object;
}

export interface TraceEvent {
  readonly time: number;
  readonly type: 'begin' | 'end' | 'instant';
  readonly track: bigint;
  readonly name?: string;
  readonly category?: string;
  readonly details: Readonly<Record<string, bigint | number | string>>;
}

type Fields = Map<number, (bigint | Uint8Array)[]>;

/** The fields of a message by number. @throws RangeError for bytes that are no message */
export function fields(bytes: Uint8Array): Fields {
  const found: Fields = new Map();
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++];
      if (byte === undefined || shift > 63n) throw new RangeError(`a number is cut off at ${at}`);
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const key = Number(varint());
    const wire = key & 7;
    let value: bigint | Uint8Array;
    if (wire === 0) value = varint();
    else {
      const length = wire === 1 ? 8 : wire === 2 ? Number(varint()) : Number.NaN;
      if (!(at + length <= bytes.length)) throw new RangeError(`wire type ${wire} at ${at} is cut off`);
      value = bytes.subarray(at, at + length);
      at += length;
    }
    found.set(key >> 3, [...(found.get(key >> 3) ?? []), value]);
  }
  return found;
}

const number = (from: Fields, field: number): bigint | undefined => from.get(field)?.[0] as bigint | undefined;
const part = (from: Fields, field: number): Fields | undefined => {
  const bytes = from.get(field)?.[0];
  return bytes === undefined ? undefined : fields(bytes as Uint8Array);
};
const text = (from: Fields, field: number): string | undefined => {
  const bytes = from.get(field)?.[0];
  return bytes === undefined ? undefined : new TextDecoder('utf-8', { fatal: true }).decode(bytes as Uint8Array);
};

export function decodeTrace(bytes: Uint8Array): {
  readonly tracks: Map<bigint, TraceTrack>;
  readonly events: TraceEvent[];
} {
  const tracks = new Map<bigint, TraceTrack>();
  const events: TraceEvent[] = [];
  for (const packet of fields(bytes).get(1) ?? []) {
    const all = fields(packet as Uint8Array);
    if (number(all, 10) !== 1n) throw new RangeError('a packet has no trusted_packet_sequence_id');
    const track = part(all, 60);
    if (track !== undefined) {
      const process = part(track, 3);
      const thread = part(track, 4);
      const name = text(track, 2);
      const parent = number(track, 5);
      tracks.set(number(track, 1)!, {
        ...(name !== undefined && { name }),
        ...(parent !== undefined && { parent }),
        ...(process && { process: { pid: Number(number(process, 1)), name: text(process, 6) } }),
        ...(thread && {
          thread: { pid: Number(number(thread, 1)), tid: Number(number(thread, 2)), name: text(thread, 5) },
        }),
      });
    }
    const event = part(all, 11);
    if (event === undefined) continue;
    const details: Record<string, bigint | number | string> = {};
    for (const one of event.get(4) ?? []) {
      const annotation = fields(one as Uint8Array);
      const double = annotation.get(5)?.[0] as Uint8Array | undefined;
      const whole = number(annotation, 4);
      details[text(annotation, 10)!] =
        whole !== undefined
          ? BigInt.asIntN(64, whole)
          : double !== undefined
            ? new DataView(double.buffer, double.byteOffset, 8).getFloat64(0, true)
            : text(annotation, 6)!;
    }
    const name = text(event, 23);
    const category = text(event, 22);
    events.push({
      time: Number(number(all, 8)),
      type: ({ 1: 'begin', 2: 'end', 3: 'instant' } as const)[Number(number(event, 9)) as 1 | 2 | 3],
      track: number(event, 11)!,
      ...(name !== undefined && { name }),
      ...(category !== undefined && { category }),
      details,
    });
  }
  return { tracks, events };
}
