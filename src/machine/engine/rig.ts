import type { Core, CoreHost } from '../../core/core.ts';
import { createTsCore } from '../../core/ts/core.ts';
import { createWasmCore } from '../../core/wasm/core.ts';
import { EXTENSIONS } from '../../isa/instruction.ts';
import { RAM_BASE } from '../../isa/layout.ts';
import { createJitCore, type JitCore, type JitOptions } from '../../jit/core.ts';
import { extensionBits, HartState } from '../memory/hart-state.ts';
import { MachineMemory } from '../memory/memory.ts';

/** A hart in M-mode over bare memory, with no devices and no firmware: for measuring and comparing cores. */
export interface Rig {
  readonly memory: MachineMemory;
  readonly hart: HartState;
  readonly core: Core;
}

const NOTHING: CoreHost = {
  mmioRead: () => false,
  mmioWrite: () => false,
  pointMet: () => false,
  pageAbsent: () => {},
};

/** Puts a program at the start of RAM, under a core. */
export function rig<K extends Core['kind']>(
  kind: K,
  program: Uint8Array,
  ramSize: number,
  options?: JitOptions,
): Rig & { core: K extends 'jit' ? JitCore : Core } {
  const memory = new MachineMemory(ramSize);
  memory.setMachine64('ramSize', BigInt(ramSize));
  memory.setMachine64('extensions', extensionBits(EXTENSIONS));
  memory.setMachine32('hartCount', 1);
  memory.setMachine32('maxSatpMode', 10);
  memory.ramBytes.set(program);
  const hart = new HartState(memory, 0);
  hart.resetForMachine(EXTENSIONS);
  hart.set('pc', BigInt(RAM_BASE));
  const core =
    kind === 'jit'
      ? createJitCore(memory.memory, NOTHING, options)
      : kind === 'ts'
        ? createTsCore(memory.memory, NOTHING)
        : createWasmCore(memory.memory, NOTHING);
  core.hartChanged(0);
  return { memory, hart, core: core as never };
}
