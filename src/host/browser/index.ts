/** Hindsight in a page: the machine runs in a worker and is controlled through comlink. */
import { proxy, type Remote, releaseProxy, wrap } from 'comlink';
import type { MachineService, WorkerMachineOptions } from './service.ts';

/** A machine in a worker. */
export interface WorkerMachine extends Omit<Remote<MachineService>, 'create'> {
  /** Ends the worker, whatever it does. */
  terminate(): void;
}

/**
 * Builds a machine in a worker.
 * @param worker runs this package's `worker` entry, e.g. `new Worker(new URL('hindsight-vm/worker', import.meta.url), { type: 'module' })`
 * @param onConsole gets the terminal's output
 * @throws Error as the machine's own `create` does
 */
export async function createMachine(
  worker: Worker,
  options: WorkerMachineOptions,
  onConsole: (bytes: Uint8Array) => void,
): Promise<WorkerMachine> {
  const service = wrap<MachineService>(worker);
  await service.create(options, proxy(onConsole));
  return {
    run: (until) => service.run(until),
    pause: () => service.pause(),
    write: (data) => service.write(data),
    resize: (columns, rows) => service.resize(columns, rows),
    hash: () => service.hash(),
    progress: () => service.progress(),
    terminate() {
      service[releaseProxy]();
      worker.terminate();
    },
  } as WorkerMachine;
}

export type { MachineProgress, MachineService, WorkerMachineOptions } from './service.ts';
