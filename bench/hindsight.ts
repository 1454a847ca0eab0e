import { readFileSync } from 'node:fs';
import { createHostRoom } from '../src/host/room.ts';
import { type CoreKind, coreFactory } from '../src/machine/engine/cores.ts';
import { Engine, STOP } from '../src/machine/engine/engine.ts';
import { planHardware } from '../src/machine/session/options.ts';
import type { HostEvent } from '../src/record/door.ts';
import { LiveDoor } from '../src/record/live-door.ts';
import { fixedSources } from '../src/record/sources.ts';
import { benchClock, type ClockKind } from './clock.ts';
import { Marks } from './marks.ts';

/** Ticks between looks at the console's clock: marker lines are found at once, whatever it is. */
const SLICE = 20_000_000;

/** Boots and runs the same as bench/qemu.ts on one of our cores, idle time skipped. @param listener told of every event, as a recorder is */
export async function runHindsight(
  files: { kernel: string; initrd: string },
  append: string,
  core: CoreKind,
  memory = '256M',
  listener?: (event: HostEvent) => void,
  clock: ClockKind = 'wall',
): Promise<Marks> {
  const name = (file: string): { file: string; bytes: Uint8Array } => ({ file, bytes: readFileSync(file) });
  const hardware = await planHardware(
    { kernel: name(files.kernel), initrd: name(files.initrd), append, memory },
    createHostRoom(),
  );
  const text = new TextDecoder('latin1');
  const marks = new Marks(benchClock(clock), () => engine.instructions);
  const engine: Engine = new Engine({
    ...hardware,
    door: new LiveDoor(fixedSources(1), listener),
    core: coreFactory(core),
    output: (_port, payload) => marks.add(text.decode(payload)),
  });
  while (engine.halt === undefined) {
    const stop = engine.run({ instructions: engine.instructions + SLICE });
    if (stop === STOP.IDLE) throw new Error('bench: the guest waits for input');
    if (stop === STOP.LATE) throw new Error('bench: the guest waits for a disk');
  }
  return marks;
}
