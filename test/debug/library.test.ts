/** Breakpoints, symbols and processes of a Linux guest, from the library alone. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { GuestInfo, Machine, Timeline } from '../../src/host/node/index.ts';
import { describeGuest } from '../e2e/guest.ts';

describeGuest('the library as a debugger', () => {
  let folder: string;
  let timeline: Timeline;
  let guest: GuestInfo;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'library-'));
    const record = join(folder, 'a.hsr');
    const machine = await Machine.create({
      guest: 'debian',
      record,
      boot: { exec: 'sleep 0.2; exit 3', stdin: 'none' },
    });
    await machine.run();
    await machine.close();
    timeline = await Timeline.open(record);
    guest = new GuestInfo(timeline.view);
  }, 900_000);
  afterAll(() => {
    timeline.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test('goes back to the last call of a function, with its callers by name', async () => {
    const exit = guest.address('do_exit')!;
    await timeline.seek(timeline.end);
    const { reason, hart, hit } = await timeline.reverseContinue({ execute: exit });
    expect([reason, hit?.pc]).toEqual(['hit', exit]);
    const names = guest.backtrace(hart).map(({ pc }) => guest.name(pc));
    expect(names[0]).toBe('do_exit');
    expect(names.length).toBeGreaterThan(1);
    expect(guest.current(hart)).toMatchObject({ pid: expect.any(Number), name: expect.any(String) });
  });

  test('lists the processes of an instant, and threads of the kernel', async () => {
    await timeline.seek('95%');
    const all = guest.processes();
    expect(all[0]).toMatchObject({ pid: 1, parent: 0, name: 'init' });
    expect(all.some(({ name }) => name === 'kthreadd')).toBe(true);
    expect(guest.processes(true).length).toBeGreaterThanOrEqual(all.length);
  });

  test('stops at the last store to a variable of the kernel', async () => {
    await timeline.seek(timeline.end);
    const jiffies = guest.address('jiffies_64')!;
    const { reason, hit } = await timeline.lastWrite(jiffies, 8);
    expect(reason).toBe('hit');
    expect(guest.name(hit!.pc)).toMatch(/jiffies|do_timer|tick/);
  });

  test('knows nothing of what is not there', async () => {
    expect(guest.address('no_such_symbol')).toBeUndefined();
    expect(guest.name(0x1234n)).toBeUndefined();
  });
});
