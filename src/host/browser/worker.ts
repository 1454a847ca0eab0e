/** The worker's script: machines and timelines behind comlink. */
import { expose, proxy } from 'comlink';
import { commandLine } from '../../guest/cmdline.ts';
import { SESSION_PORT } from '../../guest/init-script.ts';
import type { JitOptions } from '../../jit/core.ts';
import {
  createFromStart,
  Machine,
  type MachineOptions,
  type RunOptions,
  startSnapshot,
} from '../../machine/session/machine.ts';
import { openTimeline } from '../../timeline/open.ts';
import { createHostRoom } from '../room.ts';
import { attachShare } from '../share.ts';
import { FolderFs } from './folder/folder-fs.ts';
import { machineService, sinkOf } from './machine-service.ts';
import { openPageNetwork } from './net/network.ts';
import { disksOf, sourceOf } from './page-files.ts';
import { browserRegionCompiler } from './region-compiler.ts';
import { startSandbox } from './sandbox-service.ts';
import type { RecordingService, WorkerMachineOptions, WorkerService, WorkerShare } from './service.ts';
import { timelineService } from './timeline-service.ts';

/** Compiles a machine's hot code beside it. */
const translator = (): JitOptions => ({ compiler: browserRegionCompiler() });

/** Has a page's folders answer for a machine's shares. @throws RangeError when it has no share of a name */
function attachFolders(machine: Machine, shares: readonly WorkerShare[]): void {
  for (const { name, folder, readOnly = false } of shares)
    attachShare(machine, name, new FolderFs(folder), createHostRoom(), { readOnly });
}

/** A machine of this worker, and how copies of it are run. */
interface Built {
  readonly machine: Machine;
  readonly run: RunOptions;
}

/** A machine that has not run yet. */
async function build({
  disks = [],
  net,
  shares = [],
  ...options
}: Omit<WorkerMachineOptions, 'record' | 'past'> & Pick<MachineOptions, 'record'>): Promise<Built> {
  const network = net && openPageNetwork(net, createHostRoom());
  const run = { translator: translator(), ...(options.clock && { clock: options.clock }) };
  const machine = await Machine.create(
    {
      ...run,
      ...options,
      ...(network && { devices: [...(options.devices ?? []), network.slot] }),
      disks: await disksOf(disks),
      shares,
    },
    createHostRoom(),
  );
  attachFolders(machine, shares);
  if (network) machine.plug(network.link());
  return { machine, run };
}

/** A machine that goes on from a snapshot, which says what it is made of; options give the files it needs. */
async function rebuild(
  from: NonNullable<WorkerMachineOptions['from']>,
  {
    disks = [],
    shares = [],
    kernel,
    initrd,
    firmware,
    clock = 'host',
    record,
    core,
  }: Omit<WorkerMachineOptions, 'record' | 'past'> & Pick<MachineOptions, 'record'>,
): Promise<Built> {
  const room = createHostRoom();
  const files = { disks: await disksOf(disks), ...(kernel && { kernel }), ...(initrd && { initrd }) };
  const run = { translator: translator(), clock, ...(core && { core }) };
  const machine = await createFromStart(
    Machine,
    await startSnapshot(from, room),
    { ...files, ...(firmware && { firmware }) },
    { ...run, ...(record && { record }) },
    room,
  );
  attachFolders(machine, shares);
  return { machine, run };
}

const service: WorkerService = {
  async createMachine({ record, past = 0, ...options }) {
    const sink = record && (await sinkOf(record));
    const { machine } = await build({ ...options, ...(sink && { record: sink }) });
    return proxy(machineService(machine, past, sink));
  },
  async startSandbox({ record, past = 0, append, from, ...options }) {
    const sink = record && (await sinkOf(record));
    const kept = { clock: 'host' as const, ...(sink && { record: sink }) };
    const names = options.shares?.map(({ name }) => name) ?? [];
    const { machine, run } =
      from === undefined
        ? await build({
            ...kept,
            ...options,
            append: commandLine({ session: true, ...(names.length > 0 && { shares: names }) }, append),
            virtioConsole: { ports: [SESSION_PORT] },
          })
        : await rebuild(from, { ...kept, ...options });
    return proxy(await startSandbox(machine, run, past, from !== undefined));
  },
  async openTimeline(recording, { files: { disks = [], ...files } = {}, ...options } = {}) {
    const images = { ...files, disks: await disksOf(disks) };
    const { timeline } = await openTimeline(await sourceOf(recording), images, createHostRoom(), options);
    const service: RecordingService = {
      ...timelineService(timeline),
      verify: () => timeline.verify(),
      async branch({ record, past = 0, shares = [], ...run } = {}) {
        const sink = record && (await sinkOf(record));
        const machine = timeline.branch({ translator: translator(), ...run, ...(sink && { record: sink }) });
        attachFolders(machine, shares);
        return proxy(machineService(machine, past, sink));
      },
    };
    return proxy(service);
  },
};

expose(service);

export type { WorkerService };
