/** Perfetto traces, read back by a decoder of their own after the published schema. */
import { describe, expect, it } from 'vitest';
import { PerfettoTrace } from '../../src/history/perfetto.ts';
import { TABLES } from '../../src/history/tables/index.ts';
import { decodeTrace, type TraceEvent } from './perfetto-decoder.ts';

const table = (name: string) => TABLES.find((t) => t.name === name)!;

describe('a Perfetto trace', () => {
  const trace = new PerfettoTrace();
  // instant, time, end_instant, duration, then the table's own
  trace.add(table('processes'), [10, 1e-6, 90, 8e-6, 7, 1, 'cat', 'cat /etc/hosts', 'exec', 'exit', 0]);
  trace.add(table('syscalls'), [20, 2e-6, 60, 4e-6, 7, 8, 'cat', 'openat', '"missing"', -2, 'ENOENT']);
  trace.add(table('faults'), [30, 3e-6, 40, 1e-6, 7, 8, 'cat', '0x1000', 'write', null, 'minor']);
  trace.add(table('syscalls'), [60, 6e-6, null, null, 7, 8, 'cat', 'exit_group', '0', null, null]);
  trace.add(table('console'), [50, 5e-6, 7, 8, 'cat', 'ttyS0', 'höhe']);
  trace.add(table('scheduling'), [20, 2e-6, 60, 4e-6, 7, 8, 'cat', 1, 'S', 'read', 0]);
  trace.add(table('interrupts'), [30, 3e-6, 30, 0, 7, 8, 'cat', 1, 'timer', null, null, '0x10']);
  const { tracks, events } = decodeTrace(trace.finish(9000));

  it('has a track for each hart, process and thread', () => {
    expect([...tracks.values()].map(({ name, process, thread }) => name ?? process ?? thread)).toEqual(
      expect.arrayContaining(['hart 1', { pid: 7, name: 'cat /etc/hosts' }, { pid: 7, tid: 8, name: 'cat' }]),
    );
    for (const { track } of events) expect(tracks.has(track)).toBe(true);
    for (const { parent } of tracks.values()) if (parent !== undefined) expect(tracks.has(parent)).toBe(true);
  });

  it('is in order of time, its slices properly nested', () => {
    const open = new Map<bigint, TraceEvent[]>();
    let last = 0;
    for (const event of events) {
      expect(event.time).toBeGreaterThanOrEqual(last);
      last = event.time;
      const stack = open.get(event.track) ?? [];
      open.set(event.track, stack);
      if (event.type === 'begin') stack.push(event);
      else if (event.type === 'end') expect(stack.pop()).toBeDefined();
    }
    for (const stack of open.values()) expect(stack).toEqual([]);
  });

  it('says what each slice is', () => {
    const call = events.find(({ name }) => name === 'openat')!;
    expect(call).toMatchObject({ type: 'begin', time: 2000, category: 'syscalls' });
    expect(call.details).toMatchObject({ args: '"missing"', result: -2n, error: 'ENOENT', instant: 20n });
    expect(call.details.duration).toBeCloseTo(4e-6);
    expect(events.find(({ category }) => category === 'console')).toMatchObject({ type: 'instant', name: 'höhe' });
    // What never ended does where the trace does.
    expect(events.at(-1)).toMatchObject({ type: 'end', time: 9000 });
    const inside = events.filter(({ time, track }) => time === 3000 && track === call.track);
    expect(inside.map(({ name }) => name)).toEqual(['fault: write']);
  });

  it('draws the tables that it says', () => {
    expect(TABLES.filter((t) => PerfettoTrace.draws(t)).map(({ name }) => name)).toEqual([
      'processes',
      'syscalls',
      'faults',
      'scheduling',
      'interrupts',
      'console',
    ]);
  });
});
