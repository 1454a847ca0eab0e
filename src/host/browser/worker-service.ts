import { type Remote, wrap } from 'comlink';
import type { WorkerService } from './service.ts';

/** What was wrapped once stays: comlink releases the worker's end when a wrapper is collected. */
const services = new WeakMap<Worker, Remote<WorkerService>>();

/** What a worker offers. */
export function serviceOf(worker: Worker): Remote<WorkerService> {
  let service = services.get(worker);
  if (service === undefined) services.set(worker, (service = wrap<WorkerService>(worker)));
  return service;
}
