import { toHex } from '../bytes/hex.ts';
import { formatInstant } from './divergence.ts';
import { EVENT, type HostEvent, QUESTION } from './door.ts';
import type { RecordingHeader } from './format.ts';

const KIND_NAMES: Record<number, string> = {
  [EVENT.ANSWER]: 'answer',
  [EVENT.INPUT]: 'input',
  [EVENT.CONTROL]: 'control',
  [EVENT.WARP]: 'warp',
  [EVENT.COMMAND]: 'command',
};
const SHOWN = 48;

/** An event in words, for people and for JSON lines. */
export interface EventDescription {
  readonly instant: string;
  /** Guest time in seconds. */
  readonly time: number;
  readonly port: string;
  readonly kind: string;
  /** One line. */
  readonly text: string;
}

/** Describes an event of a recording. */
export function describeEvent(event: HostEvent, { ports }: Pick<RecordingHeader, 'ports'>): EventDescription {
  return {
    instant: formatInstant(event.at),
    time: event.time / 1e9,
    port: event.port === 255 ? 'machine' : (ports[event.port] ?? `port ${event.port}`),
    kind: KIND_NAMES[event.kind] ?? `kind ${event.kind}`,
    text: textOf(event),
  };
}

function textOf({ kind, payload }: HostEvent): string {
  const u64 = (at: number): bigint => new DataView(payload.buffer, payload.byteOffset).getBigUint64(at, true);
  switch (kind) {
    case EVENT.ANSWER:
      if (payload[0] === QUESTION.clock) return `clock ${u64(1)} ns`;
      return `entropy ${shown(payload.subarray(1), false)}`;
    case EVENT.WARP:
      return `${u64(0)} ticks`;
    case EVENT.COMMAND:
      return (
        (['reset', 'power-off', 'a debugger wrote to RAM', 'a debugger wrote to a register'] as const)[payload[0]] ??
        `command ${payload[0]}`
      );
    default:
      return shown(payload, kind === EVENT.INPUT);
  }
}

function shown(bytes: Uint8Array, asText: boolean): string {
  const head = bytes.subarray(0, SHOWN);
  const more = bytes.length > SHOWN ? ` … (${bytes.length} bytes)` : '';
  const printable =
    asText &&
    head.every(
      (b) => (b >= 32 && b < 127) || b === 10 || b === 13 || b === 9 || b === 27 || b === 3 || b === 4 || b === 127,
    );
  if (printable) return JSON.stringify(String.fromCharCode(...head)) + more;
  return toHex(head) + more;
}
