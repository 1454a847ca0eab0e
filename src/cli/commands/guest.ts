import { listGuests } from '../../host/node/guest/index.ts';
import { EXIT } from '../exit.ts';
import { provideDisk, provideGuest } from '../guest-build.ts';
import { formatBytes, parseChoice } from '../values.ts';

const DISKS = ['debian', 'full'] as const;

/** Flags of `hindsight guest build`. */
export interface GuestBuildFlags {
  /** True without a kind. */
  readonly disk?: string | true;
  readonly packages?: readonly string[];
  readonly mirror?: string;
  readonly rebuild?: boolean;
  readonly quiet?: boolean;
}

/** `hindsight guest build`: prints the paths of what it made. */
export async function guestBuild(flags: GuestBuildFlags): Promise<number> {
  const options = {
    ...(flags.mirror !== undefined && { mirror: flags.mirror }),
    ...(flags.rebuild && { rebuild: true }),
  };
  const kind = flags.disk === undefined || flags.disk === true ? 'debian' : parseChoice('--disk', flags.disk, DISKS);
  const guest = await provideGuest(flags.quiet ?? false, options);
  const lines = [`kernel ${guest.kernel}`, `initrd ${guest.initrd}`];
  if (flags.disk || flags.packages !== undefined) {
    const disk = await provideDisk(flags.quiet ?? false, {
      ...options,
      full: kind === 'full',
      packages: flags.packages ?? [],
    });
    lines.push(`disk ${disk.disk}`);
  }
  process.stdout.write(`${lines.join('\n')}\n`);
  return EXIT.OK;
}

/** `hindsight guest list`. */
export async function guestList(flags: { readonly json?: boolean }): Promise<number> {
  const builds = await listGuests();
  if (flags.json) {
    process.stdout.write(
      `${JSON.stringify(builds.map(({ directory, inUse, manifest }) => ({ directory, inUse, ...manifest })))}\n`,
    );
    return EXIT.OK;
  }
  if (builds.length === 0) process.stderr.write('hindsight: no guest is built yet; hindsight guest build makes one\n');
  for (const { directory, inUse, manifest } of builds) {
    const size = manifest.files.reduce((sum, file) => sum + file.size, 0);
    const name = manifest.release ?? `${Object.keys(manifest.packages).length} packages`;
    process.stdout.write(
      `${inUse ? '*' : ' '} ${manifest.kind.padEnd(6)} ${name.padEnd(22)} ${formatBytes(size).padStart(10)}  ${directory}\n`,
    );
  }
  return EXIT.OK;
}
