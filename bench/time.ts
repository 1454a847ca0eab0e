import { readFileSync } from 'node:fs';
import { commandLine, DEFAULT_COMMAND_LINE } from '../src/guest/cmdline.ts';
import { createHostRoom } from '../src/host/room.ts';
import type { CoreKind } from '../src/machine/engine/cores.ts';
import { Machine } from '../src/machine/session/machine.ts';
import type { HostEvent } from '../src/record/door.ts';
import type { RecordingHeader } from '../src/record/format.ts';
import { RecordingWriter } from '../src/record/writer.ts';
import { Checkpoints } from '../src/timeline/checkpoints.ts';
import { LivePast } from '../src/timeline/live.ts';
import { type OpenedTimeline, type OpenOptions, openTimeline } from '../src/timeline/open.ts';
import { cpuTime, print, quantile, spread } from './figures.ts';

/** Ten minutes of guest time, mostly idle: what someone at a shell does. */
const TEN_MINUTES = 'for i in $(seq 60); do seq 1 3000 | sort -r | md5sum; ls -l /bin | wc -l; sleep 10; done';
/** Busy throughout, with much memory written. */
const BUSY =
  'for i in $(seq 6); do seq 1 60000 | sort -r | md5sum; dd if=/dev/zero of=/tmp/x bs=64k count=100 2>/dev/null; md5sum /tmp/x; done';
const TYPED = 'for i in 1 2 3; do date; done; ls -l /; cat /proc/uptime\r';

type Images = {
  readonly kernel: { file: string; bytes: Uint8Array };
  readonly initrd: { file: string; bytes: Uint8Array };
};

/** A recording, and what making it took in milliseconds of CPU. */
interface Made {
  readonly file: Uint8Array;
  readonly cpu: number;
  readonly captures: readonly number[];
  readonly vm: Machine;
}

async function record(
  images: Images,
  append: string,
  core: CoreKind,
  how: { readonly store?: boolean; readonly instructions?: number; readonly keys?: string } = {},
): Promise<Made> {
  const room = createHostRoom();
  const parts: Uint8Array[] = [];
  const vm = await Machine.create(
    { ...images, append, core, record: { write: (bytes) => void parts.push(bytes.slice()) } },
    room,
  );
  const captures: number[] = [];
  const { capture } = Checkpoints.prototype;
  Checkpoints.prototype.capture = function (events) {
    const begun = cpuTime();
    const made = capture.call(this, events);
    captures.push(cpuTime() - begun);
    return made;
  };
  let screen = '';
  let keys = how.keys ?? '';
  vm.on('console', (bytes) => {
    screen += new TextDecoder('latin1').decode(bytes);
    // One key at a time, as the line shows the one before.
    if (keys !== '' && screen.includes('# ')) {
      vm.write(keys.slice(0, 1));
      keys = keys.slice(1);
    }
  });
  const past = new LivePast(vm, room, { store: how.store ?? false });
  const begun = cpuTime();
  await vm.run({ instructions: how.instructions ?? Infinity });
  const cpu = cpuTime() - begun;
  if (how.store) past.capture();
  await vm.close();
  Checkpoints.prototype.capture = capture;
  return { file: new Uint8Array(Buffer.concat(parts)), cpu, captures, vm };
}

/** Bytes of typed events as they are written, before compression. */
function bytesPerEvent(header: RecordingHeader, events: readonly HostEvent[]): number {
  const writer = new RecordingWriter({ write: () => undefined }, header);
  for (const event of events) writer.event(event);
  return writer.waiting / events.length;
}

const seeded = (): ((below: number) => number) => {
  let seed = 20261121;
  return (below) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
};

async function travel(what: string, { timeline }: OpenedTimeline): Promise<void> {
  const random = seeded();
  const seeks: number[] = [],
    first: number[] = [],
    next: number[] = [];
  for (let i = 0; i < 40; i++) {
    let begun = cpuTime();
    await timeline.seek({ instructions: random(timeline.end.instructions), sequence: 0 });
    seeks.push(cpuTime() - begun);
    for (let k = 0; k < 5; k++) {
      begun = cpuTime();
      await timeline.reverseStep();
      (k === 0 ? first : next).push(cpuTime() - begun);
    }
  }
  print(`${what}: seek to anywhere (${seeks.length}), CPU`, spread(seeks));
  print(`${what}: reverse-step, the first after a seek (${first.length})`, spread(first));
  print(`${what}: reverse-step, the following (${next.length})`, spread(next));
}

/** Measures recording, replay and travel: prints a line a figure. */
export async function time(
  files: { kernel: string; initrd: string },
  core: CoreKind,
  instructions = 330_000_000,
): Promise<void> {
  const named = (file: string): { file: string; bytes: Uint8Array } => ({ file, bytes: readFileSync(file) });
  const images = { kernel: named(files.kernel), initrd: named(files.initrd) };
  const open = (file: Uint8Array, options: OpenOptions = {}): Promise<OpenedTimeline> =>
    openTimeline(file, images, createHostRoom(), { core, ...options });
  /** As `hindsight replay`: without checkpoints. */
  const replay = (file: Uint8Array): Promise<OpenedTimeline> => open(file, { spacing: Infinity });

  const boot = await record(images, DEFAULT_COMMAND_LINE, core, { instructions });
  print('recording of a boot', `${boot.file.length} bytes for ${(instructions / 1e6).toFixed(0)} M instructions`);
  const booted = await open(boot.file);
  let begun = cpuTime();
  await booted.timeline.seek('100%');
  print(
    'replay of a boot with checkpoints against the recorded run, CPU',
    `${(boot.cpu / (cpuTime() - begun)).toFixed(2)} ×`,
  );
  await travel('boot', booted);

  const typed = await record(images, DEFAULT_COMMAND_LINE, core, {
    instructions: instructions + 60_000_000,
    keys: TYPED,
  });
  const { events, header } = typed.vm.recording;
  print(
    `typed session, ${events.length} events, before compression`,
    `${bytesPerEvent(header, events).toFixed(1)} bytes an event`,
  );

  const busy = await record(images, commandLine({ exec: BUSY, stdin: 'none' }), core);
  print(
    `checkpoint captures, busy (${busy.captures.length}), CPU`,
    `${spread(busy.captures)}, all of them ${((busy.captures.reduce((a, b) => a + b, 0) / busy.cpu) * 100).toFixed(2)} % of the time`,
  );
  const again = await replay(busy.file);
  begun = cpuTime();
  await again.timeline.seek('100%');
  print('replay of it against the recorded run, CPU', `${(busy.cpu / (cpuTime() - begun)).toFixed(2)} ×`);

  const long = await record(images, commandLine({ exec: TEN_MINUTES, stdin: 'none' }), core, { store: true });
  const kept = await open(long.file);
  print(
    'ten minutes, mostly idle, with checkpoints in the file',
    `${(long.file.length / 2 ** 20).toFixed(1)} MiB, ${kept.recording.checkpoints.length} checkpoints, ${(kept.recording.end.instructions / 1e9).toFixed(2)} G instructions`,
  );
  await travel('ten minutes', kept);
  const end: number[] = [];
  for (let i = 0; i < 3; i++) {
    begun = cpuTime();
    const { timeline } = await open(long.file);
    await timeline.seek('100%');
    end.push(cpuTime() - begun);
  }
  print('ten minutes: opened and at its end, CPU', `${quantile(end, 0.5).toFixed(0)} ms`);
  begun = performance.now();
  const { timeline } = await replay(long.file);
  timeline.checkpoints.forget({ instructions: 0, sequence: 0 });
  await timeline.seek('100%');
  print(
    'ten minutes: all replayed without them against guest time',
    `${(timeline.guestTime / ((performance.now() - begun) / 1000)).toFixed(0)} ×`,
  );
}
