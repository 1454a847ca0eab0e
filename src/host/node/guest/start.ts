import { createHash } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { StateError } from '../../../bytes/state-stream.ts';
import { READY_MARKER } from '../../../guest/init-script.ts';
import { Machine, startSnapshot } from '../../../machine/session/machine.ts';
import { type HardwareOptions, planConfig } from '../../../machine/session/options.ts';
import type { StartSnapshot } from '../../../machine/session/session.ts';
import { STATE_VERSION } from '../../../machine/state/save.ts';
import { MACHINE_VERSION } from '../../../record/format.ts';
import { createHostRoom } from '../../room.ts';
import { replaceFile } from '../replace-file.ts';
import { cacheDirectory } from './cache.ts';
import { GuestBuildError } from './errors.ts';

/** Seconds of guest time in which /init must be ready. */
const LONGEST_BOOT = 120;
/** Instructions between looks at whether it is. */
const STEP = 1_000_000;

/** The folder of the guest's own snapshots, one for each configuration of the machine that was used. */
const startDirectory = (): string => join(cacheDirectory(), 'starts');

/**
 * The guest's own snapshot for a machine: booted up to where /init waits for what it is to do (`hindsight.wait` must be in its command line). Made
 * when it is not there.
 * One that is damaged is made again.
 * @param making called when it has to be made @throws GuestBuildError when the guest does not come that far
 */
export async function provideStart(hardware: HardwareOptions, making: () => void): Promise<StartSnapshot> {
  const room = createHostRoom();
  const config = await planConfig(hardware, room);
  // What files are called makes no difference.
  const identity = JSON.stringify([MACHINE_VERSION, STATE_VERSION, config], (key, value: unknown) =>
    key === 'file' ? undefined : value,
  );
  const name = createHash('sha256').update(identity).digest('hex').slice(0, 32);
  const file = join(startDirectory(), `${name}.hss`);
  const known = `${file}.sha256`;
  try {
    const [bytes, hash] = await Promise.all([readFile(file), readFile(known, 'utf8')]);
    return await startSnapshot({ file, bytes, hash: hash.trim() }, room);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' && !(error instanceof StateError)) throw error;
  }
  making();
  const bytes = await bootToReady(hardware, room);
  const hash = createHash('sha256').update(bytes).digest('hex');
  await mkdir(startDirectory(), { recursive: true });
  await replaceFile(file, bytes);
  await replaceFile(known, `${hash}\n`);
  return startSnapshot({ file, bytes, hash }, room);
}

async function bootToReady(hardware: HardwareOptions, room: ReturnType<typeof createHostRoom>): Promise<Uint8Array> {
  await using machine = await Machine.create({ ...hardware, clock: 'virtual', hashEvery: 0 }, room);
  let console = '';
  machine.on('console', (bytes) => (console = (console + new TextDecoder('latin1').decode(bytes)).slice(-2000)));
  // In steps, so that the snapshot is the same whenever it is made.
  while (!console.includes(READY_MARKER)) {
    const { reason } = await machine.run({ instructions: machine.instant.instructions + STEP });
    if (reason !== 'limit' || machine.guestTime > LONGEST_BOOT) {
      throw new GuestBuildError(
        `the guest did not come up to be snapshotted; boot it with --cold to see why. It said last: ${JSON.stringify(console.slice(-200))}`,
      );
    }
  }
  return machine.save();
}
