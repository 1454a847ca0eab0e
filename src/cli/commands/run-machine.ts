import { StateError } from '../../bytes/state-stream.ts';
import { EXEC_STDIN, type GuestBoot } from '../../guest/cmdline.ts';
import { ExecOutput } from '../../guest/exec-stream.ts';
import { SESSION_PORT } from '../../guest/init-script.ts';
import { ControlServer } from '../../host/node/control.ts';
import { forgetStart, provideStart } from '../../host/node/guest/index.ts';
import { answerRestarts } from '../../host/node/guest/restarts.ts';
import { keepRememberedCode } from '../../host/node/remembered-code.ts';
import { HostShares, parseShare } from '../../host/node/share/index.ts';
import { keepFirstPages, takeFirstPages } from '../../host/node/snapshots/first-pages.ts';
import { type InputKind, inputKind } from '../../host/node/standard-input.ts';
import { createHostRoom } from '../../host/room.ts';
import { Machine } from '../../machine/session/machine.ts';
import type { HardwareOptions } from '../../machine/session/options.ts';
import type { StartSnapshot } from '../../machine/session/session.ts';
import { controlDisks, diskLines } from '../disk-tiers.ts';
import { CliError } from '../exit.ts';
import { controlProbe, probeSession } from '../live-probe.ts';
import {
  type CheckedFlags,
  checkMachineFlags,
  closingDisks,
  coldFlag,
  openHardware,
  openWaitingHardware,
  type WaitingHardware,
} from '../machine-flags.ts';
import { openNetwork } from '../net-flags.ts';
import { checkRecorderFlags, keepPast, recorderOptions } from '../recorder-flags.ts';
import { type Leaving, type RunFlags, snapshotAt } from '../run-flags.ts';
import { report } from '../run-report.ts';
import { type SessionOptions, TerminalSession } from '../session.ts';
import { watchTranslator } from '../translator-flags.ts';
import { NOT_TRANSLATING } from '../translator-report.ts';
import { parseClock, parseDuration } from '../values.ts';

/** A shell that reads a script from standard input; through a pipe, so that it does not take the terminal for someone's. */
const SCRIPT_SHELL = 'cat | /bin/sh';

/** What is to happen in the guest, and how its console meets standard input and output. */
interface Plan {
  readonly boot: GuestBoot;
  readonly exec: boolean;
  /** What is executed is a shell that nobody asked for by name. */
  readonly shell: boolean;
  readonly input: SessionOptions['input'];
}

/** A terminal becomes the guest's terminal; any other input is read by a shell, as ssh has it; with `--exec` it is the command's. */
function plan(flags: RunFlags, kind: InputKind): Plan {
  const stream = flags.stdin && kind !== 'nothing';
  const command = flags.exec ?? (kind === 'terminal' || flags.kernel !== undefined ? undefined : SCRIPT_SHELL);
  if (command !== undefined) {
    return {
      boot: { exec: command, stdin: stream ? EXEC_STDIN.stream : EXEC_STDIN.none },
      exec: true,
      shell: flags.exec === undefined,
      input: stream ? 'framed' : 'none',
    };
  }
  if (kind !== 'terminal') return { boot: {}, exec: false, shell: false, input: stream ? 'plain' : 'none' };
  const { columns, rows } = process.stdout;
  const size = columns && rows ? { columns, rows } : {};
  return {
    boot: { ...size, size: 'hvc0', term: process.env.TERM?.match(/^[\w.-]+$/)?.[0] ?? 'vt220' },
    exec: false,
    shell: false,
    input: 'keys',
  };
}

/** A machine that starts from the guest's own snapshot, which is made where there is none for such a machine. */
async function fromSnapshot(
  flags: RunFlags,
  checked: CheckedFlags,
  boot: GuestBoot,
  devices: Pick<HardwareOptions, 'shares' | 'devices'>,
): Promise<WaitingHardware & { readonly from: StartSnapshot }> {
  const { hardware, typed } = await openWaitingHardware(flags, checked, boot);
  // One size for all, so that the snapshot is shared; the terminal's own follows afterwards.
  const common = { ...hardware, ...devices, virtioConsole: true };
  const making = (): void => {
    if (!flags.quiet)
      process.stderr.write('hindsight: booting the guest once, to start from its snapshot from now on\n');
  };
  const from = await provideStart(common, { making });
  return { hardware: common, from, typed };
}

/** Runs a machine from its beginning. */
export async function runMachine(
  flags: RunFlags,
  { detachable = false, ended, begins }: Leaving = {},
): Promise<number> {
  const checked = checkMachineFlags(flags);
  const recorder = checkRecorderFlags(flags);
  const clock = parseClock(flags.clock);
  const timeout = flags.timeout === undefined ? undefined : parseDuration('--timeout', flags.timeout);
  const snapshot = snapshotAt(flags);
  const { boot, exec, shell, input } = plan(flags, await inputKind());

  await using shares = new HostShares((flags.share ?? []).map(parseShare));
  const { names } = shares;
  const quiet = flags.quiet ?? false;
  using network = await openNetwork(flags, quiet);
  const cold = coldFlag(flags);
  const room = createHostRoom();
  // Nobody goes back in a command's past while it runs.
  const goesBack = input === 'keys' || recorder.checkpoints;
  const size = { columns: boot.columns ?? 80, rows: boot.rows ?? 24 };
  const asked: GuestBoot = {
    ...boot,
    ...(flags.hostname !== undefined && { hostname: flags.hostname }),
    ...(names.length > 0 && { shares: names }),
    ...(network && { net: network.boot }),
    ...(flags.control !== undefined && { session: true }),
  };
  const ports = flags.control === undefined ? {} : { ports: [SESSION_PORT] };
  const { hardware, from, typed } =
    cold === undefined
      ? await fromSnapshot(
          flags,
          checked,
          { ...asked, ...network?.startBoot },
          {
            ...(names.length > 0 && { shares: shares.devices }),
            ...(network && { devices: [network.startSlot] }),
          },
        )
      : {
          hardware: {
            ...(await openHardware(flags, checked, asked)),
            ...(network && { devices: [network.slot] }),
            shares: shares.devices,
            virtioConsole: (boot.size !== undefined || flags.control !== undefined) && { ...size, ...ports },
          },
        };
  using _disks = closingDisks(hardware.disks);
  await using machine = await Machine.create(
    {
      ...hardware,
      ...(from && { from }),
      ...(checked.core && { core: checked.core }),
      ...watchTranslator(flags, room.now),
      clock: clock ?? (input === 'keys' ? 'host' : 'virtual'),
      ...recorderOptions(recorder),
      forget: !goesBack,
    },
    room,
  );
  if (from) takeFirstPages(machine.internals.engine, from);
  if (cold !== undefined && !flags.cold && !quiet)
    process.stderr.write(`hindsight: ${cold} is not what the guest's snapshot was made with: it boots\n`);
  if (typed !== undefined) {
    machine.refreshClock();
    if (boot.size !== undefined) machine.resize(size.columns, size.rows);
    void machine.write(typed);
    answerRestarts(machine, typed);
    await begins?.(typed);
  }
  shares.attach(machine, room);
  network?.attach(machine);
  await using _control =
    flags.control === undefined
      ? undefined
      : await ControlServer.open(flags.control, machine, controlProbe(machine), controlDisks(hardware.disks));
  if (!quiet && (checked.core ?? 'jit') === 'jit' && machine.internals.engine.core.kind !== 'jit')
    process.stderr.write(`hindsight: ${NOT_TRANSLATING}\n`);
  const output = exec ? new ExecOutput() : undefined;
  const past = goesBack ? keepPast(machine, room, recorder) : undefined;
  const session = new TerminalSession(machine, {
    ...(output && { exec: output, shell }),
    ...(past && { past }),
    ...(snapshot && { snapshot }),
    input,
    quiet,
    detachable,
    tiers: () => diskLines(hardware.disks ?? []),
    ...(timeout !== undefined && { timeout }),
  });
  const probing = flags.probe === undefined ? undefined : await probeSession(machine, flags.probe);
  const end = await session.run().catch(async (error: unknown) => {
    if (from === undefined || !(error instanceof StateError)) throw error;
    for (const { hash } of from.snapshot.files) if (hash !== undefined) await forgetStart(hash);
    throw new CliError(`${error.message}. The guest's snapshot was removed: run again, and it is made again`);
  });
  await probing?.finish();
  await ended?.(machine, end);
  await keepRememberedCode(machine);
  if (from) await keepFirstPages(machine.internals.engine, from);
  if (recorder.checkpoints) past?.capture();
  report(machine, end, {
    quiet,
    disks: hardware.disks ?? [],
    json: flags.json ?? false,
    stats: flags.stats ?? false,
    freshLine: session.atLineStart,
  });
  return end.status;
}
