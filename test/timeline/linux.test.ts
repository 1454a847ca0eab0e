import { expect, it } from 'vitest';
import { commandLine } from '../../src/guest/cmdline.ts';
import { createHostRoom } from '../../src/host/room.ts';
import { Machine } from '../../src/machine/session/machine.ts';
import { openTimeline } from '../../src/timeline/open.ts';
import { describeGuest, hardware, theImages } from '../e2e/guest.ts';
import { fuzzTimeline } from './fuzz.ts';

const BOOT = { exec: 'date; head -c 16 /dev/urandom | md5sum; sleep 1; ls -l /', stdin: 'none' } as const;

describeGuest('random moves over a boot of Debian', () => {
  // test/timeline/fuzz-long.ts makes as many as are wanted.
  it.each([
    [1, 30, 3],
    [2, 12, 4],
  ])('never land wrong (%i harts, %i moves)', async (harts, moves, seed) => {
    const room = createHostRoom();
    const options = { ...theImages(), append: commandLine(BOOT), memory: '128M', harts };
    const pieces: Uint8Array[] = [];
    const vm = await Machine.create(
      { ...options, record: { write: (bytes) => void pieces.push(bytes.slice()) } },
      room,
    );
    expect((await vm.run({ instructions: 2e9 })).reason).toBe('halt');
    await vm.close();
    const { timeline } = await openTimeline(Buffer.concat(pieces), theImages(), room);
    const times = await fuzzTimeline(timeline, await hardware(BOOT, { memory: '128M', harts }), {
      moves,
      seed,
      core: 'jit',
      room,
      typed: 'x\n',
      life: 1_000_000,
    });
    expect([...times.keys()].length).toBeGreaterThan(moves / 6);
  });
});
