import type { Door, Witness } from '../../record/door.ts';
import type { BoardSocket } from '../board/board.ts';
import type { HartState } from '../memory/hart-state.ts';
import type { MachineMemory } from '../memory/memory.ts';
import type { GuestRam } from '../memory/ram.ts';
import type { DeadlineQueue } from '../schedule/deadlines.ts';
import type { LateData } from '../schedule/late-data.ts';
import type { Progress } from './progress.ts';

/** What devices reach of the engine they are plugged into. */
export interface DeviceSocketParts {
  readonly memory: MachineMemory;
  /** RAM as a device writes to it. */
  readonly ram: (device: number) => GuestRam;
  readonly harts: readonly HartState[];
  readonly progress: Progress;
  readonly late: LateData;
  readonly door: Door;
  readonly machine: Witness;
  readonly output: (port: number, payload: Uint8Array) => void;
  /** There once all devices are built. */
  readonly deadlines: () => DeadlineQueue;
  readonly touched: (port: number) => void;
}

/** The socket of a board's devices. @param used called with the id of each */
export function deviceSocket(parts: DeviceSocketParts, used: (id: number) => void): BoardSocket {
  const { memory, ram, harts, progress, late, door, machine, output } = parts;
  return {
    context(id, irq) {
      used(id);
      return {
        ram: ram(id),
        irq,
        now: () => memory.time,
        arm(at) {
          parts.deadlines().arm(id, at);
          progress.attention();
        },
        disarm: () => parts.deadlines().disarm(id),
        waitFor: (promise, at) => late.wait(id, promise, at),
      };
    },
    port: (port) => ({
      ask: (question, length) => door.ask(port, question, length, machine),
      emit: (payload) => output(port, payload),
    }),
    drive(hart, bit, level) {
      const state = harts[hart];
      const lines = state.get32('lines');
      const driven = level ? lines | bit : lines & ~bit;
      if (driven === lines) return;
      state.set32('lines', driven);
      progress.attention();
    },
    request: (kind, status) => progress.request(kind, status),
    afterAccess: parts.touched,
  };
}
