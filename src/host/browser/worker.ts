/** The worker's script: machines and timelines behind comlink. */
import { expose, proxy } from 'comlink';
import type { JitOptions } from '../../jit/core.ts';
import { Machine } from '../../machine/session/machine.ts';
import { openTimeline } from '../../timeline/open.ts';
import { createHostRoom } from '../room.ts';
import { machineService, sinkOf } from './machine-service.ts';
import { openPageNetwork } from './net/network.ts';
import { disksOf, sourceOf } from './page-files.ts';
import { browserRegionCompiler } from './region-compiler.ts';
import type { RecordingService, WorkerService } from './service.ts';
import { timelineService } from './timeline-service.ts';

/** Compiles a machine's hot code beside it. */
const translator = (): JitOptions => ({ compiler: browserRegionCompiler() });

const service: WorkerService = {
  async createMachine({ disks = [], record, past = 0, net, ...options }) {
    const network = net && openPageNetwork(net, createHostRoom());
    const sink = record && (await sinkOf(record));
    const machine = await Machine.create(
      {
        translator: translator(),
        ...options,
        ...(network && { devices: [...(options.devices ?? []), network.slot] }),
        disks: await disksOf(disks),
        ...(sink && { record: sink }),
      },
      createHostRoom(),
    );
    if (network) machine.plug(network.link());
    return proxy(machineService(machine, past, sink));
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
