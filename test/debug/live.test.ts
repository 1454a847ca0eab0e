import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { GuestInfo } from '../../src/debug/guest-info.ts';
import { LiveBase, liveTarget } from '../../src/debug/live-target.ts';
import { SymbolFile } from '../../src/debug/symbol-file.ts';
import { timelineTarget } from '../../src/debug/timeline-target.ts';
import { createHostRoom } from '../../src/host/room.ts';
import { ramWrite } from '../../src/machine/engine/debug-write.ts';
import { Machine } from '../../src/machine/session/machine.ts';
import { X } from '../../src/machine/view/machine-view.ts';
import { readRecording } from '../../src/record/reader.ts';
import { readElf } from '../../src/symbols/elf.ts';
import type { Breakpoint } from '../../src/timeline/breakpoints.ts';
import { LivePast } from '../../src/timeline/live.ts';
import { openTimeline } from '../../src/timeline/open.ts';
import { RawClient, runGdb } from './gdb-client.ts';
import { type Built, buildProgram, GCC, GDB, have } from './programs.ts';

/** Counts for ever; `limit` ends it. */
const PROGRAM = `
volatile long count, limit = 4000000000, mark;
__attribute__((noinline)) void tick(void) { count++; }
int main(void) { while (count < limit) tick(); mark = 1; return 0; }
`;
const CLI = join(import.meta.dirname, '../../build/hindsight.mjs');

describe.runIf(have(GCC))('a live machine', () => {
  let program: Built;
  let machine: Machine;
  let points: readonly Breakpoint[] = [];
  let base: LiveBase;
  const room = createHostRoom();
  beforeAll(() => {
    program = buildProgram(PROGRAM, ['-O1'], 0x8020_0000);
  }, 60_000);
  afterEach(() => machine?.close());

  async function start(
    record?: Uint8Array[],
  ): Promise<{ target: ReturnType<typeof liveTarget>; address: (name: string) => bigint }> {
    machine = await Machine.create(
      {
        kernel: { file: 'program', bytes: program.elfBytes },
        memory: '16M',
        core: 'wasm',
        ...(record && { record: { write: (b: Uint8Array) => void record.push(b.slice()) } }),
      },
      room,
    );
    base = new LiveBase(machine, new LivePast(machine, room, { interval: 0, spacing: 1_000_000 }), room, 'live');
    const target = liveTarget(base);
    const guestInfo = new GuestInfo(target);
    guestInfo.addFile(new SymbolFile(readElf(program.elfBytes, 'program'), 'program'));
    return { target, address: (name) => guestInfo.address(name)! };
  }

  it('runs by itself, stands when held, goes back, and lives on', async () => {
    const { target, address } = await start();
    target.release();
    await new Promise((resolve) => setTimeout(resolve, 60));
    await target.hold();
    const front = target.instant.instructions;
    expect(front).toBeGreaterThan(1000);
    const count = (): bigint => target.readNumber(address('count'), 8)!;
    const counted = count();
    await target.hold();
    expect(target.instant.instructions).toBe(front);

    points = [{ kind: 'execute', start: address('tick'), end: address('tick') + 1n }];
    expect((await target.mover.reverseContinue(points)).reason).toBe('hit');
    expect(target.instant.instructions).toBeLessThan(front);
    expect(count()).toBeLessThanOrEqual(counted);
    expect(() => target.writePhysical(address('limit'), new Uint8Array(8))).toThrow('the past cannot be changed');
    await target.mover.seek(1000);
    expect((await target.mover.reverseStep(1, { hart: 0 })).reason).toBe('there');
    expect(target.instant.instructions).toBe(999);

    // Beyond the end of the past it lives.
    const counts: bigint[] = [];
    points = [
      {
        kind: 'execute',
        start: address('tick'),
        end: address('tick') + 1n,
        when: (view) => view.instant.instructions > front + 100_000,
      },
    ];
    for (let i = 0; i < 3; i++) {
      expect((await target.mover.continue(points)).reason).toBe('hit');
      counts.push(count());
    }
    expect(target.instant.instructions).toBeGreaterThan(front + 100_000);
    expect(counts).toEqual([counts[0], counts[0] + 1n, counts[0] + 2n]);
    points = [];

    const interrupt = new AbortController();
    setTimeout(() => interrupt.abort(), 30);
    expect((await target.mover.continue(points, { signal: interrupt.signal })).reason).toBe('interrupted');
    expect(target.instant.instructions).toBeGreaterThan(front + 100_000);
  }, 60_000);

  it('may be written to on a branch, which its recording then holds', async () => {
    const parts: Uint8Array[] = [];
    const { target, address } = await start(parts);
    await target.hold();
    points = [
      {
        kind: 'execute',
        start: address('tick'),
        end: address('tick') + 1n,
        when: (view) => view.instant.instructions > 50_000,
      },
    ];
    await target.mover.continue(points);
    await target.mover.seek(30_000);
    await target.branch();
    expect(target.mover.end.instructions).toBe(30_000);
    target.writePhysical(address('limit'), Uint8Array.of(0, 0, 4, 0, 0, 0, 0, 0)); // 262144
    target.writeRegister(0, X(5), 77n);
    expect(() => target.writeRegister(0, { kind: 'csr', number: 0xc00 }, 1n)).toThrow('cannot be written');
    points = [];
    expect((await target.mover.continue(points)).reason).toBe('end');
    const end = target.instant.instructions;
    expect(target.readNumber(address('count'), 8)).toBe(262_144n);
    // Back over the write, and forward again.
    await target.mover.seek(29_999);
    expect(target.readNumber(address('limit'), 8)).toBe(4_000_000_000n);
    expect((await target.mover.continue(points)).reason).toBe('end');
    expect(target.instant.instructions).toBe(end);
    const hash = machine.hash();
    await machine.close();
    const recording = Uint8Array.from(parts.flatMap((p) => [...p]));
    const { timeline } = await openTimeline(recording, { kernel: { file: 'program', bytes: program.elfBytes } }, room, {
      core: 'wasm',
    });
    await timeline.seek(timeline.end);
    expect(timeline.hash()).toBe(hash);
    await timeline.verify();
  }, 60_000);

  it('a branch of a recording goes back past its writes, and is saved', async () => {
    const parts: Uint8Array[] = [];
    const { address } = await start(parts);
    await machine.run({ instructions: 100_000 });
    await machine.close();
    const kernel = { file: 'program', bytes: program.elfBytes };
    const { timeline } = await openTimeline(Uint8Array.from(parts.flatMap((p) => [...p])), { kernel }, room, {
      core: 'wasm',
    });
    const target = timelineTarget(timeline, 'recording');
    await target.mover.seek(40_000);
    expect(() => target.save()).toThrow('no branch');
    const parent = timeline.log.header.id;
    await target.branch();
    target.writePhysical(address('limit'), Uint8Array.of(0, 64, 0, 0, 0, 0, 0, 0)); // 16384
    points = [
      {
        kind: 'execute',
        start: address('tick'),
        end: address('tick') + 1n,
        when: (view) => view.instant.instructions > 60_000,
      },
    ];
    await target.mover.continue(points);
    const there = target.instant.instructions;
    // Another write, in the branch's own past: what came after is forgotten.
    await target.mover.seek(50_000);
    expect((await target.mover.reverseStep(20_000, { hart: 0 })).reason).toBe('there');
    expect(target.instant.instructions).toBe(30_000);
    expect(target.readNumber(address('limit'), 8)).toBe(4_000_000_000n);
    await target.mover.seek(there);
    expect(target.instant.instructions).toBe(there);
    expect(target.readNumber(address('limit'), 8)).toBe(16_384n);
    await target.mover.seek(50_000);
    target.writeRegister(0, X(6), 5n);
    expect(target.mover.end.instructions).toBe(50_000);
    points = [];
    expect((await target.mover.continue(points)).reason).toBe('halted');
    const hash = timeline.hash();
    const saved = target.save();
    expect((await readRecording(saved)).header.parent?.id).toBe(parent);
    const again = await openTimeline(saved, { kernel }, room, { core: 'wasm' });
    await again.timeline.seek(again.timeline.end);
    expect(again.timeline.hash()).toBe(hash);
    const { session } = again.timeline;
    expect(() => session.enter(ramWrite(0x1000, Uint8Array.of(1)))).toThrow('the past cannot be changed');
    session.branch();
    expect(session.enter(ramWrite(0xffff_fff0, Uint8Array.of(1)))).toBe('there is no such place, register or value');
    expect(session.log.events).toHaveLength(again.timeline.events.length);
    expect(session.enter(ramWrite(0x1000, Uint8Array.of(1)))).toBeUndefined();
  }, 60_000);

  describe.runIf(have(GDB))('from the command line, in the real gdb', () => {
    let child: ChildProcess | undefined;
    afterEach(() => child?.kill('SIGKILL'));

    /** Starts `hindsight debug`; resolves to its port. */
    function serve(args: readonly string[]): Promise<number> {
      child = spawn(process.execPath, [CLI, 'debug', ...args, '--gdb', ':0'], { stdio: ['ignore', 'ignore', 'pipe'] });
      let said = '';
      return new Promise((resolve, reject) => {
        child!.stderr!.on('data', (d: Buffer) => {
          said += d.toString();
          const m = /target remote 127\.0\.0\.1:(\d+)/.exec(said);
          if (m) resolve(Number(m[1]));
        });
        child!.on('exit', () => reject(new Error(said)));
      });
    }
    const ended = (): Promise<number | null> => new Promise((resolve) => child!.once('exit', resolve));

    it('goes back and on, branches, and leaves a recording', async () => {
      const file = join(mkdtempSync(join(tmpdir(), 'hindsight-live-')), 'live.hsr');
      const port = await serve(['--live', '--kernel', program.elf, '--mem', '16M', '--record', file]);
      const out = await runGdb(program.elf, port, [
        'break tick',
        'continue',
        'set $before = count',
        'continue',
        'p count - $before',
        'reverse-continue',
        'reverse-continue',
        'p count - $before',
        'set var limit = 5',
        'delete',
        'break tick if count > 100000000',
        'monitor branch',
        'p limit',
        'set var limit = count + 10',
        'delete',
        'continue',
        'p mark',
        'reverse-stepi',
        'p $pc != 0',
        'detach',
      ]);
      expect(out).toContain('$1 = 1');
      expect(out).toContain('$2 = -1');
      expect(out).toContain('Cannot access memory');
      expect(out).toContain('$3 = 4000000000');
      expect(out).toContain('$4 = 1');
      expect(out).toContain('$5 = 1');
      child!.kill('SIGINT');
      expect(await ended()).toBe(130);
      expect((await readRecording(readFileSync(file))).damage).toBeUndefined();
    }, 60_000);

    it('saves a branch of a recording where it was told to', async () => {
      const room2 = mkdtempSync(join(tmpdir(), 'hindsight-live-'));
      const parts: Uint8Array[] = [];
      await start(parts);
      await machine.run({ instructions: 100_000 });
      await machine.close();
      const file = join(room2, 'a.hsr');
      writeFileSync(file, Buffer.concat(parts));
      const branch = join(room2, 'b.hsr');
      const port = await serve([file, '--record', branch, '--image', join(program.elf, '..')]);
      const c = await RawClient.connect(port);
      await c.noAcks();
      expect(await c.monitor('save')).toContain('no branch');
      await c.monitor('seek 50%');
      await c.monitor('branch');
      expect(await c.ask('P5=0700000000000000')).toBe('OK');
      expect(await c.monitor('save')).toContain('b.hsr');
      c.destroy();
      child!.kill('SIGINT');
      await ended();
      const { events } = await readRecording(readFileSync(branch));
      expect(events.some(({ kind }) => kind === 4)).toBe(true);
    }, 60_000);
  });
});
