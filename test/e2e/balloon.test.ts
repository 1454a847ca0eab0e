import { expect, it } from 'vitest';
import { commandLine } from '../../src/guest/cmdline.ts';
import { ExecOutput } from '../../src/guest/exec-stream.ts';
import { createHostRoom } from '../../src/host/room.ts';
import { PAGE_SIZE } from '../../src/isa/layout.ts';
import { Machine } from '../../src/machine/session/machine.ts';
import { openTimeline } from '../../src/timeline/open.ts';
import { hindsight } from '../cli/hindsight.ts';
import { describeGuest, theImages } from './guest.ts';

const MIB = 2 ** 20;

/** Bytes of RAM in pages that are not zero. */
function inUse(machine: Machine): number {
  const { ramWords, pages } = machine.internals.engine.memory;
  let used = 0;
  for (let page = 0; page < pages; page++) {
    const at = (page * PAGE_SIZE) / 4;
    if (ramWords.subarray(at, at + PAGE_SIZE / 4).some((word) => word !== 0)) used++;
  }
  return used * PAGE_SIZE;
}

/** Fills 64 MiB with noise and frees them, shows free memory before and after the balloon, and again after it has shrunk; the host acts on the words. */
const SCRIPT = `
free() { awk '/^MemFree/ { print "free", $2 }' /proc/meminfo; }
dd if=/dev/urandom of=/noise bs=1M count=64 2>/dev/null
echo full; sleep 1
rm /noise; sleep 10
free; echo freed; sleep 1
sleep 3; free; echo inflated; sleep 1
sleep 3; free; echo deflated
`;

describeGuest('a memory balloon', () => {
  it('takes memory from the guest and gives it back; what the guest frees is zero and costs nothing when it is saved', async () => {
    const pieces: Uint8Array[] = [];
    const room = createHostRoom();
    const machine = await Machine.create(
      {
        ...theImages(),
        append: commandLine({ exec: SCRIPT, stdin: 'none', modules: ['virtio_balloon'] }),
        balloon: true,
        record: { write: (bytes) => void pieces.push(bytes.slice()) },
      },
      room,
    );
    const result = new ExecOutput();
    let shown = '';
    const used: Record<string, number> = {};
    machine.on('console', (bytes) => {
      const before = shown.length;
      shown += Buffer.from(result.push(bytes)).toString();
      for (const word of shown.slice(before).match(/full|freed|inflated|deflated/g) ?? []) {
        used[word] = inUse(machine);
        if (word === 'freed') machine.balloon(96 * MIB);
        if (word === 'inflated') machine.balloon(0);
      }
    });
    const { halt } = await machine.run({ instructions: 40e9 });
    expect(halt).toEqual({ kind: 'poweroff', status: 0 });
    const free = [...shown.matchAll(/free (\d+)/g)].map(([, kilobytes]) => Number(kilobytes) * 1024);
    expect(free).toHaveLength(3);
    const [freed, inflated, deflated] = free;
    // Meanwhile the kernel has taken or given back some pages of other things.
    expect(freed! - inflated!).toBeGreaterThan(85 * MIB);
    expect(deflated! - inflated!).toBeGreaterThan(85 * MIB);
    // Free page reporting: most of the noise is gone (the kernel reports whole blocks of 2 MiB).
    expect(used.full! - used.freed!).toBeGreaterThan(48 * MIB);
    // The noise does not compress.
    expect(machine.save().length).toBeLessThan(40 * MIB);
    const hash = machine.hash();
    await machine.close();

    const { timeline } = await openTimeline(new Uint8Array(Buffer.concat(pieces)), theImages(), room, { core: 'wasm' });
    expect(await timeline.verify()).toBeGreaterThan(0);
    expect(timeline.hash()).toBe(hash);
  });

  it('is a flag of hindsight run', async () => {
    const { stdout } = await hindsight([
      ...['run', '--balloon', '64M', '--exec', "sleep 3; awk '/^MemFree/ { print $2 }' /proc/meminfo"],
    ]);
    const plain = await hindsight(['run', '--exec', "sleep 3; awk '/^MemFree/ { print $2 }' /proc/meminfo"]);
    expect(Number(plain.stdout) - Number(stdout)).toBeGreaterThan(60 * 1024);
    const refused = await hindsight(['run', '--balloon', '1T', '--exec', 'true']);
    expect(refused.status).toBe(2);
    expect(refused.stderr).toMatch(/--balloon 1T: expected a size/);
  });
});
