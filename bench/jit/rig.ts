import type { Core, CoreHost } from '../../src/core/core.ts';
import { createTsCore } from '../../src/core/ts/core.ts';
import { createWasmCore } from '../../src/core/wasm/core.ts';
import { EXTENSIONS } from '../../src/isa/instruction.ts';
import { RAM_BASE } from '../../src/isa/layout.ts';
import { createJitCore, type JitCore, type JitOptions } from '../../src/jit/core.ts';
import { extensionBits, HartState } from '../../src/machine/memory/hart-state.ts';
import { MachineMemory } from '../../src/machine/memory/memory.ts';

/** A hart in M-mode over bare memory: no devices, no firmware. */
export interface Rig {
  readonly memory: MachineMemory;
  readonly hart: HartState;
  readonly core: Core;
}

const NOTHING: CoreHost = { mmioRead: () => false, mmioWrite: () => false, pageAbsent: () => {} };

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
