import {
  buildDisk,
  buildGuest,
  type DiskBuildOptions,
  type GuestBuildOptions,
  type GuestDisk,
  type GuestImages,
  type GuestProgress,
} from '../host/node/guest/index.ts';
import { ProgressLine } from './progress.ts';
import { formatBytes } from './values.ts';

const PHASE: Readonly<Record<GuestProgress['phase'], string>> = {
  waiting: 'waiting for another build',
  indexes: 'reading package lists',
  packages: 'fetching packages',
  unpacking: 'unpacking',
  packing: 'packing',
  configuring: 'configuring packages, in a machine',
};

function progressText({ phase, done, total }: GuestProgress): string {
  const fetching = phase === 'packages' || phase === 'indexes';
  const amount = fetching && total > 1 ? ` ${formatBytes(done)} of ${formatBytes(total)}` : '';
  const percent = total > 1 ? ` ${Math.floor((100 * done) / total)} %` : '';
  return `${PHASE[phase]} …${amount}${percent}`;
}

/** Makes something of the guest, with a progress line on a terminal, otherwise one line a phase. */
async function shown<T>(what: string, quiet: boolean, make: (options: GuestBuildOptions) => Promise<T>): Promise<T> {
  let now = 'looking …';
  let phase: string | undefined;
  const line = new ProgressLine(!quiet, () => `${what}: ${now}`);
  try {
    return await make({
      onProgress: (progress) => {
        now = progressText(progress);
        if (!quiet && !process.stderr.isTTY && phase !== progress.phase)
          process.stderr.write(`hindsight: ${what}: ${PHASE[progress.phase]} …\n`);
        phase = progress.phase;
      },
    });
  } finally {
    line.end();
  }
}

/** The guest's kernel and initramfs, made when they are not there. */
export function provideGuest(quiet: boolean, options: GuestBuildOptions = {}): Promise<GuestImages> {
  return shown('guest', quiet, (progress) => buildGuest({ ...options, ...progress }));
}

/** The root disk, made when it is not there. */
export function provideDisk(quiet: boolean, options: DiskBuildOptions = {}): Promise<GuestDisk> {
  return shown('root disk', quiet, (progress) => buildDisk({ ...options, ...progress }));
}
