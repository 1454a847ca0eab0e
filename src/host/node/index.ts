/** Hindsight as a library for Node: the same machine, with files and the built guest by name. */
import { readFile } from 'node:fs/promises';
import type { NetSlot } from '../../devices/virtio/net.ts';
import { bootLines, commandLine, DEFAULT_COMMAND_LINE, type GuestBoot } from '../../guest/cmdline.ts';
import { SESSION_PORT } from '../../guest/init-script.ts';
import {
  Machine as BaseMachine,
  type ByteSource,
  type DiskOption,
  LivePast,
  type MachineOptions,
  type NamedBytes,
  type OpenOptions,
  OverlaidBackend,
  RecordedTimeline,
  type RunOptions,
  readRecording,
  Sandbox,
} from '../../index.ts';
import { slotsOf } from '../../machine/board/config.ts';
import { type Closeable, createFromStart, createMachine, startSnapshot } from '../../machine/session/machine.ts';
import { branchMachineAs, openTimelineAs } from '../../timeline/open.ts';
import { createHostRoom } from '../room.ts';
import { isDiskFile, openDiskFile } from './disk-file.ts';
import { openSource } from './file-source.ts';
import { buildGuest, provideStart, waitingGuest } from './guest/index.ts';
import { answerRestarts } from './guest/restarts.ts';
import { findImages } from './images.ts';
import { MachineNetwork, type NetworkOptions } from './net/network.ts';
import { KeptDisk, type KeptOptions, overlayPath } from './overlay-file.ts';
import { openRecordFile } from './record-file.ts';
import { nodeRegionCompiler } from './region-compiler.ts';
import { readRememberedCode } from './remembered-code.ts';
import { keepFirstPages, takeFirstPages } from './snapshots/first-pages.ts';
import { openSnapshotOf, saveSnapshot } from './snapshots/index.ts';

/**
 * The path of a disk image, whose contents stay as they are: what is written to it is lost with the machine, unless it is kept in an overlay: a name
 * among the user's, or a file. Or a disk of other kind.
 */
export type NodeDisk =
  | string
  | ({ readonly file: string; readonly overlay: string } & Pick<KeptOptions, 'write' | 'journal'>)
  | DiskOption;

/** Options of {@link Machine.create} on Node. */
export interface NodeMachineOptions
  extends Omit<MachineOptions, 'kernel' | 'initrd' | 'firmware' | 'disks' | 'record'> {
  /** The guest that `hindsight guest build` makes; it is made when it is not there. */
  readonly guest?: 'debian';
  /** What the guest's /init does instead of a shell on the console; only with `guest`. */
  readonly boot?: GuestBoot;
  /** Paths, or names with contents. */
  readonly kernel?: string | NamedBytes;
  readonly initrd?: string | NamedBytes;
  readonly firmware?: string | NamedBytes;
  /** Raw or qcow2 disk images, or disks. */
  readonly disks?: readonly NodeDisk[];
  /**
   * The network it is wired to: `user`, `switch:NAME` or more about it; none unless given. Ends with the machine. The guest made by Hindsight brings it
   * up by itself.
   */
  readonly net?: string | NetworkOptions;
  /** Path of a recording to write, or where its bytes go. */
  readonly record?: string | MachineOptions['record'];
}

const named = async (file: string | NamedBytes | undefined): Promise<NamedBytes | undefined> =>
  typeof file === 'string' ? { file, bytes: await readFile(file) } : file;

/** Options of {@link Timeline.open} on Node. */
export interface NodeOpenOptions extends OpenOptions {
  /** Folders in which the files of the machine are looked for. */
  readonly images?: readonly string[];
}

/** Options of {@link Timeline.branch} on Node. */
export interface NodeRunOptions extends Omit<RunOptions, 'record'> {
  /** Path of a recording to write, or where its bytes go. */
  readonly record?: string | RunOptions['record'];
}

const sinkOf = (record: NodeRunOptions['record']): Pick<RunOptions, 'record'> =>
  record === undefined ? {} : { record: typeof record === 'string' ? openRecordFile(record) : record };

/** Options of {@link Machine.from}. */
export interface NodeFromOptions extends NodeRunOptions {
  /** Folders in which the files of the machine are looked for. */
  readonly images?: readonly string[];
}

/** Makes something that takes over what was opened for it; when that fails, it is closed. */
async function closingOnFailure<T>(opened: readonly Closeable[], make: () => Promise<T>): Promise<T> {
  try {
    return await make();
  } catch (error) {
    for (const resource of opened) resource.close();
    throw error;
  }
}

/** Opens a disk's files, which are closed with the others that were opened. */
async function openDisk(disk: NodeDisk, opened: Closeable[]): Promise<DiskOption> {
  if (typeof disk === 'object' && 'backend' in disk) return disk;
  const { file, overlay, ...options } = typeof disk === 'string' ? { file: disk, overlay: undefined } : disk;
  const base = openDiskFile(file);
  opened.push(base);
  if (overlay === undefined) return { file, backend: base };
  const kept = await KeptDisk.open(base, overlayPath(overlay), file, options);
  opened.splice(opened.indexOf(base), 1, kept);
  return { file, backend: kept };
}

/** Opens disks in their order. */
async function openDisks(disks: readonly NodeDisk[], opened: Closeable[]): Promise<DiskOption[]> {
  const options: DiskOption[] = [];
  for (const disk of disks) options.push(await openDisk(disk, opened));
  return options;
}

/** A computer. */
export class Machine extends BaseMachine {
  /**
   * Builds a machine on this host and powers it on; nothing is executed yet. What it opens by a path it closes with {@link close}.
   * @throws ConfigError, LoadError, GuestBuildError, DiskFileError saying what is wrong and what to do
   */
  static override async create(options: NodeMachineOptions): Promise<Machine> {
    const { guest, boot, kernel, initrd, firmware, disks, record, net, ...rest } = options;
    const built = guest === undefined ? undefined : await buildGuest();
    const images = {
      kernel: await named(kernel ?? built?.kernel),
      initrd: await named(initrd ?? (kernel === undefined ? built?.initrd : undefined)),
      firmware: await named(firmware),
    };
    const network = await openNetwork(net);
    const start = { ...(network && { net: network.boot }), ...boot };
    const line = built === undefined ? {} : { append: commandLine(start, rest.append ?? DEFAULT_COMMAND_LINE) };
    const opened: Closeable[] = network === undefined ? [] : [network];
    return closingOnFailure(opened, async () => {
      const files = disks && { disks: await openDisks(disks, opened) };
      const machine = await createMachine(
        Machine,
        {
          ...rest,
          translator: { compiler: nodeRegionCompiler(), ...readRememberedCode(), ...rest.translator },
          ...(network && { devices: [...(rest.devices ?? []), network.slot] }),
          ...line,
          ...(images.kernel && { kernel: images.kernel }),
          ...(images.initrd && { initrd: images.initrd }),
          ...(images.firmware && { firmware: images.firmware }),
          ...files,
          ...sinkOf(record),
        },
        createHostRoom(),
        opened,
      );
      network?.attach(machine);
      return machine;
    });
  }

  /**
   * A machine that goes on from a snapshot, which says what it is made of; nothing is executed yet. The files that it needs are found by their hashes.
   * @param snapshot its name in the user's store, or a path that ends in .hss
   * @throws SnapshotStoreError, StateError, ImageMissingError saying what is wrong and what to do
   */
  static async from(snapshot: string, { images = [], record, ...options }: NodeFromOptions = {}): Promise<Machine> {
    const start = await openSnapshotOf(snapshot);
    const files = await findImages(start.snapshot, images, new Set());
    const opened = (files.disks ?? []).flatMap(({ backend }) => (isDiskFile(backend) ? [backend] : []));
    return closingOnFailure(opened, () =>
      createFromStart(
        Machine,
        start,
        files,
        { translator: { compiler: nodeRegionCompiler() }, ...options, ...sinkOf(record) },
        createHostRoom(),
        opened,
      ),
    );
  }

  /**
   * Saves the machine as it is. Not during a run.
   * @param nameOrFile a name in the user's store, where snapshots share pages, or a path that ends in .hss: a file that needs no other
   * @throws SessionBusyError; SnapshotStoreError when there is no room: what was there stays
   */
  async snapshot(nameOrFile: string): Promise<void> {
    const { internals } = this;
    await internals.exclusively('save a snapshot', () => saveSnapshot(internals.engine, nameOrFile));
  }

  /**
   * A machine that runs by itself, on Debian if nothing else is said, and takes commands: `await box.exec('uname -a')`. It starts from the guest's
   * own snapshot, with new randomness and the right time; options that make another machine (a kernel, a seed, a network, …) boot it. The
   * host's clock is the guest's unless `clock` says otherwise. Close it when it is no longer needed.
   * @throws as {@link create}; SessionEndedError when the guest ends or does not answer
   */
  static async start({ past = false, timeout, cold = false, from, ...options }: SandboxOptions = {}): Promise<Sandbox> {
    const room = createHostRoom();
    let started: Machine | undefined;
    if (from !== undefined) started = await Machine.fromSnapshot(from, options);
    else if (!cold && !needsBoot(options)) started = await Machine.fromGuestSnapshot(options);
    const machine = started ?? (await Machine.booting(options));
    const kept = past ? { past: new LivePast(machine, room) } : {};
    const { core, clock = 'host' } = options;
    const runOptions = { clock, ...(core !== undefined && { core }) };
    return Sandbox.attach(
      { machine, options: runOptions, room, ...kept },
      { fresh: started !== undefined, ...(timeout !== undefined && { timeout }) },
    );
  }

  /** A machine that boots to where its session channel answers. */
  private static booting(options: NodeMachineOptions): Promise<Machine> {
    const size = typeof options.virtioConsole === 'object' ? options.virtioConsole : {};
    return Machine.create({
      guest: 'debian',
      clock: 'host',
      ...options,
      boot: { ...options.boot, session: true },
      virtioConsole: { ...size, ports: [...(size.ports ?? []), SESSION_PORT] },
    });
  }

  /** A machine that goes on from a snapshot of another sandbox. */
  private static async fromSnapshot(from: Uint8Array | string, options: NodeMachineOptions): Promise<Machine> {
    const other = Object.keys(options).find((name) => !RUN_OPTIONS.has(name));
    if (other !== undefined)
      throw new RangeError(`${other} cannot be given with from: the snapshot says what its machine is`);
    const room = createHostRoom();
    const start =
      typeof from === 'string'
        ? await openSnapshotOf(from)
        : await startSnapshot({ file: 'snapshot.hss', bytes: from }, room);
    const { config } = start.snapshot;
    if (!slotsOf(config).some((slot) => slot.kind === 'console' && slot.ports?.includes(SESSION_PORT)))
      throw new RangeError('the snapshot is of a machine that takes no commands: make one by snapshot() of a sandbox');
    const files = await findImages({ config }, [], new Set());
    const opened: Closeable[] = (files.disks ?? []).flatMap(({ backend }) => (isDiskFile(backend) ? [backend] : []));
    return closingOnFailure(opened, async () => {
      const { core, clock = 'host', embed, hashEvery, record, net } = options;
      const slot = slotsOf(config).find((one): one is NetSlot => one.kind === 'net');
      if (net !== undefined && slot === undefined)
        throw new RangeError("net cannot be given: the snapshot's machine has no network device");
      const network = await openNetwork(net, slot);
      if (network !== undefined) opened.push(network);
      const machine = await createFromStart(
        Machine,
        start,
        files,
        {
          clock,
          translator: { compiler: nodeRegionCompiler(), ...options.translator },
          ...(core !== undefined && { core }),
          ...(embed !== undefined && { embed }),
          ...(hashEvery !== undefined && { hashEvery }),
          ...sinkOf(record),
        },
        room,
        opened,
      );
      machine.refreshClock();
      network?.attach(machine);
      return machine;
    });
  }

  /** A machine whose session channel answers at once. */
  private static async fromGuestSnapshot({
    boot = {},
    disks = [],
    net,
    record,
    kernel: _kernel,
    initrd: _initrd,
    firmware: _firmware,
    ...options
  }: NodeMachineOptions): Promise<Machine> {
    const network = await openNetwork(net);
    const opened: Closeable[] = network === undefined ? [] : [network];
    return closingOnFailure(opened, async () => {
      const hardware = {
        ...options,
        ...(await waitingGuest(await buildGuest())),
        disks: await openDisks(disks, opened),
        ...(network && { devices: [network.startSlot] }),
        virtioConsole: { ports: [SESSION_PORT] },
      };
      // A snapshot in which the disk is mounted is not of a disk with something over it.
      const overlaid = hardware.disks.some(({ backend }) => backend.overlay !== undefined);
      // Nor has a network come up in it, which is another one now.
      const waiting = overlaid || network !== undefined;
      const from = await provideStart(hardware, waiting ? {} : { session: boot });
      const translator = { compiler: nodeRegionCompiler(), ...readRememberedCode(), ...options.translator };
      const machine = await createMachine(
        Machine,
        { clock: 'host', ...hardware, from, translator, ...sinkOf(record) },
        createHostRoom(),
        opened,
      );
      takeFirstPages(machine.internals.engine, from);
      opened.push({ close: () => keepFirstPages(machine.internals.engine, from) });
      machine.refreshClock();
      network?.attach(machine);
      const words = bootLines({ ...boot, ...network?.startBoot, session: true });
      answerRestarts(machine, words);
      if (waiting) void machine.write(words);
      return machine;
    });
  }
}

/** Options that make a machine which the guest's own snapshots are not of, or ask for a boot of another kind. */
const BOOTING = [
  'kernel',
  'initrd',
  'firmware',
  'append',
  'isa',
  'mmu',
  'seed',
  'rngSeed',
  'quantum',
  'chaos',
  'shares',
  'devices',
  'virtioConsole',
] as const satisfies readonly (keyof NodeMachineOptions)[];

/** Options that say how a machine is run, not what it is. */
const RUN_OPTIONS: ReadonlySet<string> = new Set([
  'core',
  'clock',
  'embed',
  'hashEvery',
  'net',
  'record',
  'translator',
]);

/** Whether a sandbox has to boot, as no snapshot is of such a machine. */
const needsBoot = (options: NodeMachineOptions): boolean =>
  BOOTING.some((name) => options[name] !== undefined) ||
  options.boot?.net !== undefined ||
  options.boot?.shares !== undefined;

/** Options of {@link Machine.start}. */
export interface SandboxOptions extends Omit<NodeMachineOptions, 'from'> {
  /**
   * A snapshot of a sandbox to go on from: its bytes, its name in the user's store, or a file. It says what the machine is; a network device that it
   * has is wired by `net`. TCP connections that were open are reset.
   */
  readonly from?: Uint8Array | string;
  /** Keep checkpoints, for {@link Sandbox.rewind}. */
  readonly past?: boolean;
  /** Boot, instead of starting from the guest's own snapshot, which is made at the first start of such a machine. */
  readonly cold?: boolean;
  /** Milliseconds that the guest may take until commands can be given; default two minutes. */
  readonly timeout?: number;
}

/** @param slot the device of a machine that is there already */
const openNetwork = async (net: NodeMachineOptions['net'], slot?: NetSlot): Promise<MachineNetwork | undefined> =>
  net === undefined || net === 'none'
    ? undefined
    : MachineNetwork.open({ ...(typeof net === 'string' ? { wire: net } : net), ...(slot && { slot }) });

/** A machine and its past. */
export class Timeline extends RecordedTimeline {
  /**
   * Opens a recording, at its beginning. The files of its machine are found by their hashes: where they were, in `images` (folders),
   * among the built guests. What it opens by a path it closes with {@link close}.
   * @param recording path, its bytes, or where they can be read @throws RecordingError, ImageMissingError
   */
  static async open(
    recording: string | Uint8Array | ByteSource,
    { images = [], ...options }: NodeOpenOptions = {},
  ): Promise<Timeline> {
    const source = typeof recording === 'string' ? openSource(recording) : undefined;
    const opened: Closeable[] = source === undefined ? [] : [{ close: () => source.close?.() }];
    return closingOnFailure(opened, async () => {
      const read = await readRecording(source ?? (recording as Uint8Array | ByteSource));
      const files = await findImages(read.header, images, new Set(read.images.keys()));
      for (const { backend } of files.disks ?? [])
        if (isDiskFile(backend) || backend instanceof OverlaidBackend) opened.push(backend);
      return (await openTimelineAs(Timeline, read, files, createHostRoom(), options, opened)).timeline;
    });
  }

  /** A machine of its own that goes on live from here; the timeline stays as it is. */
  override branch({ record, ...options }: NodeRunOptions = {}): Machine {
    return branchMachineAs(Machine, this, this.hardware, { ...options, ...sinkOf(record) }, this.room);
  }
}

export type { GuestBoot } from '../../guest/cmdline.ts';
export { ExecOutput, StdinEncoder } from '../../guest/exec-stream.ts';
export * from '../../index.ts';
export { FileBackend } from './disk.ts';
export { buildDisk, buildGuest, findDisk, findGuest, GuestBuildError } from './guest/index.ts';
export type { NetworkOptions } from './net/network.ts';
export { openRecordFile } from './record-file.ts';
export { SharedFolder } from './share/share.ts';
export { createHostRoom };
