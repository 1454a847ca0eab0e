/** The worker's script: a machine behind comlink. */

import { expose } from 'comlink';
import { Machine } from '../../machine/session/machine.ts';
import { createHostRoom } from '../room.ts';
import { browserRegionCompiler } from './region-compiler.ts';
import type { MachineService } from './service.ts';

let machine: Machine | undefined;

function current(): Machine {
  if (machine === undefined) throw new Error('there is no machine yet: call create first');
  return machine;
}

const service: MachineService = {
  async create(options, onConsole) {
    await machine?.close();
    machine = await Machine.create({ translator: { compiler: browserRegionCompiler() }, ...options }, createHostRoom());
    machine.on('console', onConsole);
  },
  run: (until) => current().run(until),
  pause: () => current().pause(),
  write: (data) => current().write(data),
  resize: (columns, rows) => current().resize(columns, rows),
  hash: () => current().hash(),
  progress: () => ({ instructions: current().instant.instructions, guestTime: current().guestTime }),
};

expose(service);
