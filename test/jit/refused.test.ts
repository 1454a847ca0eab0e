import { type Profiler, Session } from 'node:inspector/promises';
import { expect, test } from 'vitest';
import { rig } from '../../bench/jit/rig.ts';
import type { JitOptions } from '../../src/jit/core.ts';
import { coreFactory } from '../../src/machine/engine/cores.ts';
import { MachineMemory } from '../../src/machine/memory/memory.ts';
import { Assembler } from './assembler.ts';
import { difference } from './lockstep.ts';

const RAM = 1 << 20;
const refuses: JitOptions = {
  compile: () => {
    throw new WebAssembly.CompileError('not here');
  },
};

function loop(): Uint8Array {
  const a = new Assembler();
  a.label('loop');
  a.op('addi', { rd: 10, rs1: 10, imm: 1 });
  a.op('mul', { rd: 11, rs1: 10, rs2: 10 });
  a.op('add', { rd: 12, rs1: 12, rs2: 11 });
  a.to('jal', { rd: 0 }, 'loop');
  return a.finish();
}

test('a runtime that compiles nothing gets the interpreter', () => {
  const memory = new MachineMemory(RAM);
  const nothing = { mmioRead: () => false, mmioWrite: () => false } as never;
  expect(coreFactory('jit', refuses)(memory.memory, nothing).kind).toBe('wasm');
  expect(coreFactory('jit')(memory.memory, nothing).kind).toBe('jit');
});

test('a runtime that stops compiling is told of, and nothing else changes', () => {
  const a = rig('wasm', loop(), RAM);
  const b = rig('jit', loop(), RAM, refuses);
  for (const g of [a, b]) for (let i = 0; i < 20; i++) g.core.run(0, 500_000);
  expect(difference(a, b)).toBeUndefined();
  expect(b.core.statistics()).toMatchObject({ refused: 'not here', regions: { made: 0 }, ticks: 0 });
});

test('profilers show regions by the guest address of their code', async () => {
  const { core } = rig('jit', loop(), RAM);
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.setSamplingInterval', { interval: 200 });
  await session.post('Profiler.start');
  for (let i = 0; i < 20; i++) core.run(0, 10_000_000);
  const { profile } = (await session.post('Profiler.stop')) as Profiler.StopReturnType;
  session.disconnect();
  expect(profile.nodes.map((n) => n.callFrame.functionName)).toContain('guest 80000000');
});
