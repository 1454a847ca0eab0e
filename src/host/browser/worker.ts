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
import { machineService, sinkOf } from './machine-service.ts';
import { openPageNetwork } from './net/network.ts';
import { disksOf, sourceOf } from './page-files.ts';
import { browserRegionCompiler } from './region-compiler.ts';
import { startSandbox } from './sandbox-service.ts';
import type { RecordingService, WorkerMachineOptions, WorkerService } from './service.ts';
import { timelineService } from './timeline-service.ts';

/** Compiles a machine's hot code beside it. */
const translator = (): JitOptions => ({ compiler: browserRegionCompiler() });

/** A machine of this worker, and how copies of it are run. */
interface Built {
  readonly machine: Machine;
  readonly run: RunOptions;
}

/** A machine that has not run yet. */
async function build({
  disks = [],
  net,
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
    },
    createHostRoom(),
  );
  if (network) machine.plug(network.link());
  return { machine, run };
}

/** A machine that goes on from a snapshot, which says what it is made of; options give the files it needs. */
async function rebuild(
  from: NonNullable<WorkerMachineOptions['from']>,
  {
    disks = [],
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
    const { machine, run } =
      from === undefined
        ? await build({
            ...kept,
            ...options,
            append: commandLine({ session: true }, append),
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
      async branch({ record, past = 0, ...run } = {}) {
        const sink = record && (await sinkOf(record));
        return proxy(
          machineService(
            timeline.branch({ translator: translator(), ...run, ...(sink && { record: sink }) }),
            past,
            sink,
          ),
        );
      },
    };
    return proxy(service);
  },
};

expose(service);

export type { WorkerService };
