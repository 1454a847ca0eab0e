import { createHostRoom } from '../../src/host/room.ts';
import { type CoreKind, coreFactory } from '../../src/machine/engine/cores.ts';
import { Engine } from '../../src/machine/engine/engine.ts';
import { Machine, type MachineOptions } from '../../src/machine/session/machine.ts';
import { type Hardware, planHardware } from '../../src/machine/session/options.ts';
import type { Door } from '../../src/record/door.ts';
import { LiveDoor } from '../../src/record/live-door.ts';
import { fixedSources } from '../../src/record/sources.ts';
import { tinyGuest } from './tiny-guest.ts';

export const room = createHostRoom();

/** Options of a machine that runs the tiny guest. */
export const tinyOptions = (more: Partial<MachineOptions> & { rounds?: number } = {}): MachineOptions => {
  const { rounds, ...options } = more;
  return { kernel: { file: 'tiny', bytes: tinyGuest({ rounds }) }, memory: '4M', core: 'wasm', ...options };
};

export const tinyMachine = (more: Parameters<typeof tinyOptions>[0] = {}): Promise<Machine> =>
  Machine.create(tinyOptions(more), room);

export const tinyHardware = (more: Parameters<typeof tinyOptions>[0] = {}): Promise<Hardware> =>
  planHardware(tinyOptions(more), room);

/** The machine without a host. */
export async function tinyEngine(
  more: Parameters<typeof tinyOptions>[0] = {},
  door: Door = new LiveDoor(fixedSources(0)),
  core: CoreKind = 'wasm',
): Promise<Engine> {
  return new Engine({ ...(await tinyHardware(more)), door, core: coreFactory(core), output: () => undefined });
}
