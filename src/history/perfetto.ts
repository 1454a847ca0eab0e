import { Message } from './protobuf.ts';
import type { HistoryRow, HistoryTable } from './table.ts';

/** Field numbers of Perfetto's protocol buffers (https://perfetto.dev/docs/reference/trace-packet-proto). */
const TRACE = { packet: 1 } as const;
const PACKET = { timestamp: 8, sequence: 10, event: 11, flags: 13, track: 60 } as const;
const TRACK = { uuid: 1, name: 2, process: 3, thread: 4, parent: 5 } as const;
const PROCESS = { pid: 1, name: 6 } as const;
const THREAD = { pid: 1, tid: 2, name: 5 } as const;
const EVENT = { annotation: 4, type: 9, track: 11, category: 22, name: 23 } as const;
const ANNOTATION = { int: 4, double: 5, text: 6, name: 10 } as const;
const TYPE = { begin: 1, end: 2, instant: 3 } as const;
/** SEQ_INCREMENTAL_STATE_CLEARED: nothing before is referred to. */
const FIRST = 1;

/** Where a table's rows are drawn: the thread's own track, the hart's, or the process's. */
const LANES: Readonly<Record<string, 'thread' | 'hart' | 'process'>> = {
  processes: 'process',
  syscalls: 'thread',
  faults: 'thread',
  console: 'thread',
  scheduling: 'hart',
  interrupts: 'hart',
};
/** Numbers of tracks: harts from here on, further lanes of a thread from there on. */
const HART_TRACKS = 1n << 40n;
const THREAD_TRACKS = 1n << 41n;

/** A slice that is waiting to be written. */
interface Slice {
  readonly track: bigint;
  readonly from: number;
  readonly to: number | undefined;
  readonly name: string;
  readonly category: string;
  readonly details: readonly (readonly [string, number | string])[];
}

/**
 * Histories as a Perfetto trace: a track for each hart, process and thread, timestamps in nanoseconds of guest time. Tables that can be drawn are
 * processes, syscalls, faults, scheduling, interrupts and console.
 */
export class PerfettoTrace {
  private readonly slices: Slice[] = [];
  private readonly tracks = new Map<bigint, Message>();

  /** Whether rows of a table can be drawn. */
  static draws(table: HistoryTable): boolean {
    return table.name in LANES;
  }

  add(table: HistoryTable, row: HistoryRow): void {
    const cells = Object.fromEntries(table.columns.map(({ name }, i) => [name, row[i]]));
    const lane = LANES[table.name];
    const number = (name: string): number => Number(cells[name] ?? 0);
    const comm = String(cells.comm ?? '');
    let track: bigint;
    if (lane === 'hart') track = this.hart(number('hart'));
    else if (lane === 'process') track = this.process(number('pid'), String(cells.command ?? comm));
    else track = this.thread(number('pid'), number('tid'), comm);
    const from = Math.round(number('time') * 1e9);
    const lasts = table.columns.some(({ name }) => name === 'duration');
    const { duration } = cells;
    this.slices.push({
      track,
      from,
      to: !lasts ? from : typeof duration === 'number' ? from + Math.round(duration * 1e9) : undefined,
      name: nameOf(table.name, cells),
      category: table.name,
      details: Object.entries(cells).flatMap(([name, value]) => (value === null ? [] : [[name, value] as const])),
    });
  }

  /** The whole trace. @param end nanoseconds at which what has not ended is cut off */
  finish(end: number): Uint8Array {
    const packets: Message[] = [...this.tracks.values()].map((track) => new Message().message(PACKET.track, track));
    const instants: { readonly at: number; readonly order: number; readonly event: Message }[] = [];
    for (const { track, from, to = end, name, category, details } of this.slices) {
      const event = new Message()
        .integer(EVENT.type, from === to && category === 'console' ? TYPE.instant : TYPE.begin)
        .integer(EVENT.track, track)
        .text(EVENT.category, category)
        .text(EVENT.name, name);
      for (const [key, value] of details) {
        const annotation = new Message().text(ANNOTATION.name, key);
        if (typeof value === 'string') annotation.text(ANNOTATION.text, value);
        else if (Number.isInteger(value)) annotation.integer(ANNOTATION.int, value);
        else annotation.double(ANNOTATION.double, value);
        event.message(EVENT.annotation, annotation);
      }
      // Of slices that begin together the longer is outside; what ends at an instant does so before others begin.
      instants.push({ at: from, order: 1 - to / Number.MAX_SAFE_INTEGER, event });
      if (from === to && category === 'console') continue;
      const ended = new Message().integer(EVENT.type, TYPE.end).integer(EVENT.track, track);
      instants.push({ at: Math.max(to, from), order: from === to ? 2 : -from / Number.MAX_SAFE_INTEGER, event: ended });
    }
    instants.sort((a, b) => a.at - b.at || a.order - b.order);
    for (const { at, event } of instants)
      packets.push(new Message().integer(PACKET.timestamp, at).message(PACKET.event, event));
    const parts = packets.map((packet, i) => {
      packet.integer(PACKET.sequence, 1);
      if (i === 0) packet.integer(PACKET.flags, FIRST);
      return Uint8Array.from(new Message().message(TRACE.packet, packet).bytes);
    });
    const out = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const part of parts) {
      out.set(part, at);
      at += part.length;
    }
    return out;
  }

  private hart(hart: number): bigint {
    const uuid = HART_TRACKS + BigInt(hart);
    if (!this.tracks.has(uuid))
      this.tracks.set(uuid, new Message().integer(TRACK.uuid, uuid).text(TRACK.name, `hart ${hart}`));
    return uuid;
  }

  private process(pid: number, name: string): bigint {
    const uuid = BigInt(pid + 1);
    if (!this.tracks.has(uuid)) {
      const process = new Message().integer(PROCESS.pid, pid).text(PROCESS.name, name);
      this.tracks.set(uuid, new Message().integer(TRACK.uuid, uuid).message(TRACK.process, process));
    }
    return uuid;
  }

  private thread(pid: number, tid: number, name: string): bigint {
    const uuid = THREAD_TRACKS + BigInt(tid);
    if (!this.tracks.has(uuid)) {
      const parent = this.process(pid, name);
      const thread = new Message().integer(THREAD.pid, pid).integer(THREAD.tid, tid).text(THREAD.name, name);
      this.tracks.set(
        uuid,
        new Message().integer(TRACK.uuid, uuid).integer(TRACK.parent, parent).message(TRACK.thread, thread),
      );
    }
    return uuid;
  }
}

/** What a slice is called. */
function nameOf(table: string, cells: Readonly<Record<string, number | string | null>>): string {
  switch (table) {
    case 'processes':
      return String(cells.command ?? cells.comm);
    case 'scheduling':
      return `${cells.comm} (${cells.tid})`;
    case 'interrupts':
      return String(cells.device ?? cells.kind);
    case 'faults':
      return `fault: ${cells.access}`;
    case 'console':
      return String(cells.line);
    default:
      return String(cells.name);
  }
}
