import { findImages } from '../../host/node/images.ts';
import { nodeRegionCompiler } from '../../host/node/region-compiler.ts';
import { HostShares, parseShare } from '../../host/node/share/index.ts';
import { openSnapshotOf } from '../../host/node/snapshots/index.ts';
import { inputKind } from '../../host/node/standard-input.ts';
import { createHostRoom } from '../../host/room.ts';
import { createFromStart, Machine } from '../../machine/session/machine.ts';
import type { ImageFiles } from '../../machine/session/options.ts';
import type { StartSnapshot } from '../../machine/session/session.ts';
import { formatInstant } from '../../record/divergence.ts';
import { timeWarp } from '../../record/inputs.ts';
import { UsageError } from '../exit.ts';
import { closingDisks, parseCore } from '../machine-flags.ts';
import { openNetworkOf } from '../net-flags.ts';
import { checkRecorderFlags, keepPast, recorderOptions } from '../recorder-flags.ts';
import { type Leaving, type RunFlags, snapshotAt } from '../run-flags.ts';
import { report } from '../run-report.ts';
import { TerminalSession } from '../session.ts';
import { parseClock, parseDuration } from '../values.ts';

/** Flags that say what machine to build, which a snapshot says already, or what its guest is to begin with. */
const SAID_ALREADY = [
  'kernel',
  'initrd',
  'firmware',
  'append',
  'isa',
  'disk',
  'root',
  'balloon',
  'seed',
  'chaos',
  'cold',
  'exec',
  'hostname',
] as const;

/** `hindsight run --from`: the machine of a snapshot goes on, with its console on standard input and output. */
export async function runFrom(from: string, flags: RunFlags): Promise<number> {
  const refused = SAID_ALREADY.find((name) => flags[name] !== undefined);
  if (refused !== undefined)
    throw new UsageError(
      `--${refused} cannot be given with --from: the snapshot says what its machine is, and its guest is running already`,
    );
  const start = await openSnapshotOf(from);
  return goOn(start, await findImages(start.snapshot, [], new Set()), from, flags);
}

/**
 * The machine of a snapshot goes on.
 * @param files of the machine @param what is told to go on
 * @param leaving `since`: milliseconds since 1970 when it was left; its time is moved on by what has passed
 */
export async function goOn(
  start: StartSnapshot,
  files: ImageFiles,
  what: string,
  flags: RunFlags,
  { detachable = false, ended, since }: Leaving & { readonly since?: number } = {},
): Promise<number> {
  const recorder = checkRecorderFlags(flags);
  const clock = parseClock(flags.clock);
  const timeout = flags.timeout === undefined ? undefined : parseDuration('--timeout', flags.timeout);
  const snapshot = snapshotAt(flags);
  const quiet = flags.quiet ?? false;
  const kind = flags.stdin ? await inputKind() : 'nothing';
  await using shares = new HostShares((flags.share ?? []).map(parseShare));
  const { config } = start.snapshot;
  const ticking = clock ?? (kind === 'terminal' ? 'host' : 'virtual');
  using network = await openNetworkOf(config, flags, quiet);
  const room = createHostRoom();
  using _disks = closingDisks(files.disks);
  await using machine = await createFromStart(
    Machine,
    start,
    files,
    {
      ...parseCore(flags.core),
      translator: { compiler: nodeRegionCompiler() },
      clock: ticking,
      ...recorderOptions(recorder),
    },
    room,
  );
  machine.refreshClock();
  // As after a host that slept.
  if (since !== undefined && ticking === 'host') {
    const asleep = Math.floor((Number(room.wallClock() / 1000n) - since * 1000) * 1000);
    if (asleep > 0) machine.internals.enter(timeWarp(asleep));
  }
  const { columns, rows } = process.stdout;
  if (kind === 'terminal' && columns && rows) machine.resize(columns, rows);
  shares.attach(machine, room);
  network?.attach(machine);
  if (!quiet)
    process.stderr.write(
      `hindsight: ${what} goes on from ${formatInstant(start.name.at)}, ${machine.guestTime.toFixed(2)} s of guest time\n`,
    );
  const past = kind === 'terminal' || recorder.checkpoints ? keepPast(machine, room, recorder) : undefined;
  const session = new TerminalSession(machine, {
    input: kind === 'terminal' ? 'keys' : kind === 'nothing' ? 'none' : 'plain',
    quiet,
    detachable,
    ...(past && { past }),
    ...(snapshot && { snapshot }),
    ...(timeout !== undefined && { timeout }),
  });
  const end = await session.run();
  await ended?.(machine, end);
  if (recorder.checkpoints) past?.capture();
  report(machine, end, {
    quiet,
    json: flags.json ?? false,
    stats: flags.stats ?? false,
    freshLine: session.atLineStart,
  });
  return end.status;
}
