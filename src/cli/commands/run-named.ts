import { resolve } from 'node:path';
import { findImages } from '../../host/node/images.ts';
import { NamedMachine } from '../../host/node/machines.ts';
import { KeptDisk, overlayPath } from '../../host/node/overlay-file.ts';
import { isUrl } from '../../host/node/url-disk.ts';
import type { Machine } from '../../machine/session/machine.ts';
import type { ImageFiles } from '../../machine/session/options.ts';
import { UsageError } from '../exit.ts';
import { builtDisk, DEFAULT_HARTS, DEFAULT_MEMORY, joinDisk, parseDisk } from '../machine-flags.ts';
import type { RunFlags } from '../run-flags.ts';
import type { SessionEnd } from '../session.ts';
import { goOn } from './run-from.ts';
import { runMachine } from './run-machine.ts';

/** Flags that say what a machine is: those of its first run count for all of its life. */
const MADE_WITH = [
  'mem',
  'harts',
  'isa',
  'kernel',
  'initrd',
  'append',
  'firmware',
  'disk',
  'root',
  'balloon',
  'seed',
  'chaos',
  'share',
  'net',
  'publish',
  'allow',
  'allowHost',
] as const satisfies readonly (keyof RunFlags)[];
const DEFAULTS: Readonly<Record<string, unknown>> = { mem: DEFAULT_MEMORY, harts: DEFAULT_HARTS };

type MachineFlagSet = Pick<RunFlags, (typeof MADE_WITH)[number]>;

/** What a machine is made with, from anywhere: disks by absolute paths, each with an overlay. */
function flagsToKeep(flags: RunFlags, named: NamedMachine): MachineFlagSet {
  const kept = Object.fromEntries(
    MADE_WITH.filter((name) => flags[name] !== undefined).map((name) => [name, flags[name]]),
  );
  const disk = flags.disk?.map((typed, i) => {
    const { file, overlay, journal, ...options } = parseDisk(typed);
    return joinDisk({
      file: isUrl(file) || builtDisk(file) !== undefined ? file : resolve(file),
      overlay: overlay === undefined ? named.overlay(i) : overlayPath(overlay),
      ...options,
      ...(journal !== undefined && { journal: resolve(journal) }),
    });
  });
  return { ...kept, ...(disk && { disk }) } as MachineFlagSet;
}

/** @throws UsageError for a flag that would make another machine of it */
function refuseOthers(flags: RunFlags, kept: Readonly<Record<string, unknown>>, named: NamedMachine): void {
  const typed: Readonly<Record<string, unknown>> = { ...flagsToKeep(flags, named) };
  for (const name of MADE_WITH) {
    if (typed[name] === undefined) continue;
    if (JSON.stringify(typed[name]) === JSON.stringify(kept[name] ?? DEFAULTS[name])) continue;
    throw new UsageError(
      `--${name} ${String(flags[name])}: machine ${named.name} was made with ${kept[name] === undefined ? `no --${name}` : `--${name} ${String(kept[name])}`}; leave it away, or run another name`,
    );
  }
}

/** `hindsight run --name`: a machine that is kept between runs. */
export async function runNamed(name: string, flags: RunFlags): Promise<number> {
  const named = await NamedMachine.open(name);
  try {
    if (named.flags !== undefined) refuseOthers(flags, named.flags, named);
    else await named.make({ ...flagsToKeep(flags, named) });
    const ended = (machine: Machine, end: SessionEnd): Promise<void> =>
      leave(named, machine, end, flags.quiet ?? false);
    const whole = { ...flags, ...(named.flags as MachineFlagSet) };
    const { suspended } = named;
    if (suspended === undefined)
      return await runMachine(whole, { detachable: true, ended, begins: (words) => named.noteWords(words) });
    if (flags.exec !== undefined)
      throw new UsageError(
        `--exec cannot be given: machine ${name} is suspended, with its guest running already; go on with it and power it off first`,
      );
    const start = await named.openState(suspended);
    const files = await withOverlays(
      await findImages(start.snapshot, [], new Set()),
      whole.disk ?? [],
      suspended.commits,
    );
    return await goOn(start, files, `machine ${name}`, whole, {
      detachable: true,
      ended,
      since: suspended.at,
      ...(named.words !== undefined && { words: named.words }),
    });
  } finally {
    named.release();
  }
}

/** Lays over each disk what it had when the machine was left: what came later is of a machine that was not kept. */
async function withOverlays(
  files: ImageFiles,
  typed: readonly string[],
  commits: readonly (number | null)[],
): Promise<ImageFiles> {
  const disks = [...(files.disks ?? [])];
  for (const [i, commit] of commits.entries()) {
    if (commit === null || typed[i] === undefined) continue;
    const { overlay, write, journal } = parseDisk(typed[i]);
    if (overlay === undefined) continue;
    const { file, backend } = disks[i]!;
    const kept = await KeptDisk.open(backend, overlayPath(overlay), file, { until: commit, write, journal });
    disks[i] = { ...disks[i]!, backend: kept };
  }
  return { ...files, disks };
}

/** Keeps a machine as its session ended. */
async function leave(named: NamedMachine, machine: Machine, { reason }: SessionEnd, quiet: boolean): Promise<void> {
  const { engine, hardware } = machine.internals;
  if (reason === 'poweroff' || reason === 'fail') return named.switchedOff();
  if (reason === 'detach') await named.suspend(engine, hardware.backends, machine.guestTime);
  if (quiet) return;
  const again = `hindsight run --name ${named.name}`;
  process.stderr.write(
    reason === 'detach'
      ? `hindsight: machine ${named.name} is suspended; ${again} goes on\n`
      : `hindsight: machine ${named.name} was not kept as it is; ${again} ${named.suspended === undefined ? 'starts it with its disks as they are' : 'goes on from where it was suspended last'}\n`,
  );
}
