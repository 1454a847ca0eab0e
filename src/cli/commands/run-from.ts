import { bootLines } from '../../guest/cmdline.ts';
import { SESSION_PORT } from '../../guest/init-script.ts';
import { ControlServer } from '../../host/node/control.ts';
import { answerRestarts } from '../../host/node/guest/restarts.ts';
import { findImages } from '../../host/node/images.ts';
import { HostShares, parseShare } from '../../host/node/share/index.ts';
import { openSnapshotOf } from '../../host/node/snapshots/index.ts';
import { inputKind } from '../../host/node/standard-input.ts';
import { createHostRoom } from '../../host/room.ts';
import { MAX_HARTS } from '../../isa/layout.ts';
import { LinuxKernel } from '../../linux/kernel.ts';
import { RESEED_LENGTH, reseedGenerator } from '../../linux/random.ts';
import { type MachineConfig, parseMemory, slotsOf } from '../../machine/board/config.ts';
import { ramWrite } from '../../machine/engine/debug-write.ts';
import type { HostRoom } from '../../machine/session/host-room.ts';
import { createFromStart, Machine } from '../../machine/session/machine.ts';
import type { ImageFiles } from '../../machine/session/options.ts';
import type { StartSnapshot } from '../../machine/session/session.ts';
import { EngineView } from '../../machine/view/engine-view.ts';
import { formatInstant } from '../../record/divergence.ts';
import { timeWarp } from '../../record/inputs.ts';
import { controlDisks, diskLines } from '../disk-tiers.ts';
import { UsageError } from '../exit.ts';
import { controlProbe, probeSession } from '../live-probe.ts';
import { closingDisks, parseCore } from '../machine-flags.ts';
import { openNetworkOf } from '../net-flags.ts';
import { checkRecorderFlags, keepPast, recorderOptions } from '../recorder-flags.ts';
import { type Leaving, type RunFlags, snapshotAt } from '../run-flags.ts';
import { report } from '../run-report.ts';
import { TerminalSession } from '../session.ts';
import { watchTranslator } from '../translator-flags.ts';
import { formatBytes, parseClock, parseDuration, parseInteger } from '../values.ts';

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
  'diskCache',
] as const;

/** `hindsight run --from`: the machine of a snapshot goes on, with its console on standard input and output. */
export async function runFrom(from: string, flags: RunFlags): Promise<number> {
  if (flags.name !== undefined)
    throw new UsageError('--from cannot be given with --name: a machine with a name goes on from where it was left');
  const refused = SAID_ALREADY.find((name) => flags[name] !== undefined);
  if (refused !== undefined)
    throw new UsageError(
      `--${flagOf(refused)} cannot be given with --from: the snapshot says what its machine is, and its guest is running already`,
    );
  const start = await openSnapshotOf(from);
  checkFits(start.snapshot.config, flags);
  return goOn(start, await findImages(start.snapshot, [], new Set()), from, flags);
}

/** A flag as it is typed. */
const flagOf = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** @throws UsageError for a size that is not the one of the snapshot's machine */
function checkFits(config: MachineConfig, { mem, harts }: RunFlags): void {
  const refuse = (flag: string, has: string): never => {
    throw new UsageError(
      `${flag}: the snapshot's machine has ${has}, which stays; leave the flag away, or boot with it`,
    );
  };
  if (mem !== undefined && parseMemory(mem) !== config.memory) refuse(`--mem ${mem}`, formatBytes(config.memory));
  if (harts !== undefined && parseInteger('--harts', harts, 1, MAX_HARTS) !== config.harts)
    refuse(`--harts ${harts}`, String(config.harts));
}

/** Gives the guest numbers of its own: others may go on from the same snapshot. */
function reseed(machine: Machine, room: HostRoom): void {
  const { internals } = machine;
  const kernel = LinuxKernel.find(new EngineView(internals.engine));
  const writes = kernel && reseedGenerator(kernel, room.entropy(RESEED_LENGTH));
  for (const { address, bytes } of writes ?? [])
    internals.enter(ramWrite(Number(address - BigInt(internals.engine.ram.base)), bytes));
}

/** What its guest has and nothing answers for. */
function unanswered(config: MachineConfig, { share = [], net }: RunFlags): string[] {
  const given = new Set(share.map((typed) => parseShare(typed).name));
  return slotsOf(config).flatMap((slot) => {
    if ((slot.kind === 'fs' || slot.kind === '9p') && !given.has(slot.tag))
      return [`nothing answers for its shared folder ${slot.tag}; --share DIR:${slot.tag} does`];
    return slot.kind === 'net' && net === undefined ? ['its network is not connected; --net user connects it'] : [];
  });
}

/** How a machine goes on. */
interface Resumption extends Omit<Leaving, 'begins'> {
  /** Milliseconds since 1970 when it was left; its time is moved on by what has passed. */
  readonly since?: number;
  /** What its guest does after a restart; a shell unless given. */
  readonly words?: string;
}

/**
 * The machine of a snapshot goes on.
 * @param files of the machine @param what the user hears is going on
 */
export async function goOn(
  start: StartSnapshot,
  files: ImageFiles,
  what: string,
  flags: RunFlags,
  { detachable = false, ended, since, words = bootLines({}) }: Resumption = {},
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
      ...watchTranslator(flags, room.now),
      clock: ticking,
      ...recorderOptions(recorder),
    },
    room,
  );
  machine.refreshClock();
  if (since === undefined && ticking === 'host') reseed(machine, room);
  // As after a host that slept.
  if (since !== undefined && ticking === 'host') {
    const asleep = Math.floor((Number(room.wallClock() / 1000n) - since * 1000) * 1000);
    if (asleep > 0) machine.internals.enter(timeWarp(asleep));
  }
  answerRestarts(machine, words);
  const { columns, rows } = process.stdout;
  if (kind === 'terminal' && columns && rows) machine.resize(columns, rows);
  shares.attach(machine, room);
  network?.attach(machine);
  if (flags.control !== undefined && !machine.ports.includes(SESSION_PORT))
    throw new UsageError(`--control ${flags.control}: ${what} has no channel for it; it has to be made with --control`);
  await using _control =
    flags.control === undefined
      ? undefined
      : await ControlServer.open(flags.control, machine, controlProbe(machine), controlDisks(files.disks));
  if (!quiet) {
    for (const line of unanswered(config, flags)) process.stderr.write(`hindsight: ${line}\n`);
    process.stderr.write(
      `hindsight: ${what} goes on from ${formatInstant(start.name.at)}, ${machine.guestTime.toFixed(2)} s of guest time\n`,
    );
  }
  const past = kind === 'terminal' || recorder.checkpoints ? keepPast(machine, room, recorder) : undefined;
  const session = new TerminalSession(machine, {
    input: kind === 'terminal' ? 'keys' : kind === 'nothing' ? 'none' : 'plain',
    quiet,
    detachable,
    tiers: () => diskLines(files.disks ?? []),
    ...(past && { past }),
    ...(snapshot && { snapshot }),
    ...(timeout !== undefined && { timeout }),
  });
  const probing = flags.probe === undefined ? undefined : await probeSession(machine, flags.probe);
  const end = await session.run();
  await probing?.finish();
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
