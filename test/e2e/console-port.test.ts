import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { commandLine } from '../../src/guest/cmdline.ts';
import { ExecOutput } from '../../src/guest/exec-stream.ts';
import { createHostRoom } from '../../src/host/room.ts';
import { Machine } from '../../src/machine/session/machine.ts';
import { openTimeline } from '../../src/timeline/open.ts';
import { describeGuest, theImages } from './guest.ts';

const PORT = 'org.hindsight.exec';
const sum = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Noise that is the same every time. */
function noise(length: number): Uint8Array {
  let state = 1;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state >>> 24;
  });
}

const SENT = noise(1 << 20);

/** Talks through the port, in both directions, while the terminal works; the size of the terminal is the host's. */
const SCRIPT = `
port=$(echo /dev/vport*p1)
cat /sys/class/virtio-ports/$(basename $port)/name
until size=$(stty -F /dev/hvc0 size 2>/dev/null) && [ -n "$size" ]; do sleep 0.01; done # the driver learns it in its own time
echo "$size"
exec 3<>$port
echo hello >&3
read -r line <&3; echo "read: $line"
head -c ${SENT.length} <&3 | sha256sum | cut -d' ' -f1
seq 1 200000 >/tmp/numbers
cat /tmp/numbers >&3 &
sleep 1; echo waiting; wait
echo sent
sha256sum </tmp/numbers | cut -d' ' -f1
grep -c virtio31 /proc/interrupts
`;

describeGuest('a further port of the virtio console', () => {
  it('carries bytes both ways beside the terminal, waits for whoever is slow, and replays', async () => {
    const pieces: Uint8Array[] = [];
    const room = createHostRoom();
    // In the last slot, to have its place and wire tried too; the ones between are entropy devices.
    const fill = Array.from({ length: 30 }, () => ({ kind: 'rng' }) as const);
    const console = { kind: 'console', columns: 132, rows: 50, ports: [PORT] } as const;
    const machine = await Machine.create(
      {
        ...theImages(),
        append: commandLine({ exec: SCRIPT, stdin: 'none', modules: ['virtio_mmio'] }),
        devices: [...fill, console],
        record: { write: (bytes) => void pieces.push(bytes.slice()) },
      },
      room,
    );
    const result = new ExecOutput();
    let shown = '';
    const received: Uint8Array[] = [];
    let length = 0;
    machine.on('console', (bytes) => {
      const before = shown.length;
      shown += Buffer.from(result.push(bytes)).toString();
      if (!shown.slice(before).includes('waiting')) return;
      // Held back, the guest has written nothing for a second of its time.
      expect(length).toBe(6);
      machine.control('virtio31', 'hold', 1, 0);
    });
    machine.on('output', ({ port, bytes }) => {
      if (port !== PORT) return;
      received.push(bytes.slice());
      length += bytes.length;
      if (length !== 6) return;
      machine.control('virtio31', 'hold', 1, 1);
      machine.send(PORT, new TextEncoder().encode('a line\n'));
      machine.send(PORT, SENT);
    });
    const end = await machine.run({ instructions: 40e9 });
    expect(end.halt, shown).toEqual({ kind: 'poweroff', status: 0 });
    const numbers = Buffer.from(Array.from({ length: 200_000 }, (_, i) => `${i + 1}\n`).join(''));
    const lines = shown.trim().split('\n');
    expect(lines).toEqual([PORT, '50 132', 'read: a line', sum(SENT), 'waiting', 'sent', sum(numbers), '1']);
    const all = Buffer.concat(received);
    expect(all.subarray(0, 6).toString()).toBe('hello\n');
    expect(all.subarray(6).equals(numbers)).toBe(true);
    const hash = machine.hash();
    await machine.close();

    let replayed = 0;
    const output = (port: string, bytes: Uint8Array): void => {
      if (port === PORT) replayed += bytes.length;
    };
    const file = new Uint8Array(Buffer.concat(pieces));
    const { timeline, recording } = await openTimeline(file, theImages(), room, { core: 'wasm', output });
    expect(recording.header.ports).toContain(PORT);
    await timeline.verify();
    expect(timeline.hash()).toBe(hash);
    expect(replayed).toBe(length);
  });
});
