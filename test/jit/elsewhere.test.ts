/** Compiling on another thread: what arrives late or for code that is gone changes nothing. */
import { expect, test } from 'vitest';
import { rig } from '../../bench/jit/rig.ts';
import { nodeRegionCompiler } from '../../src/host/node/region-compiler.ts';
import { assembleNamed } from '../../src/isa/encode.ts';
import { type CompileResult, type CompileTask, compileTask } from '../../src/jit/compile.ts';
import { Assembler } from './assembler.ts';
import { difference } from './lockstep.ts';

const RAM = 1 << 20;

function loop(): Uint8Array {
  const a = new Assembler();
  a.label('loop');
  a.op('addi', { rd: 10, rs1: 10, imm: 1 });
  a.op('xor', { rd: 11, rs1: 11, rs2: 10 });
  a.to('jal', { rd: 0 }, 'loop');
  return a.finish();
}

/** Keeps tasks until they are asked for. */
function held() {
  const tasks: CompileTask[] = [];
  const results: CompileResult[] = [];
  return {
    tasks,
    finish: (): void => void results.push(...tasks.splice(0).map(compileTask)),
    compiler: {
      submit: (task: CompileTask): boolean => tasks.push(task) > 0,
      finished: (): CompileResult[] => results.splice(0),
    },
  };
}

test('code is interpreted until its region is there', () => {
  const { tasks, finish, compiler } = held();
  const { core } = rig('jit', loop(), RAM, { threshold: 10, compiler });
  core.run(0, 2_000_000);
  expect(tasks).toHaveLength(1);
  expect(core.statistics()).toMatchObject({ ticks: 0, regions: { made: 0 } });
  finish();
  core.run(0, 10_000);
  expect(core.statistics()).toMatchObject({ regions: { made: 1, live: 1 } });
  expect(core.statistics().ticks).toBeGreaterThan(9000);
});

test('a region of code that has changed meanwhile is not used', () => {
  const { tasks, finish, compiler } = held();
  const a = rig('wasm', loop(), RAM);
  const b = rig('jit', loop(), RAM, { threshold: 10, compiler });
  for (const g of [a, b]) g.core.run(0, 2_000_000);
  expect(tasks).toHaveLength(1);
  for (const { memory, core } of [a, b]) {
    memory.view.setUint32(memory.ramBytes.byteOffset + 4, assembleNamed('add', { rd: 11, rs1: 11, rs2: 10 }), true);
    core.ramChanged(4, 4);
  }
  finish();
  for (const g of [a, b]) g.core.run(0, 10_000);
  expect(b.core.statistics()).toMatchObject({ ticks: 0, regions: { made: 0 } });
  // it becomes hot again, as it is now
  for (const g of [a, b]) g.core.run(0, 2_000_000);
  finish();
  for (const g of [a, b]) g.core.run(0, 10_000);
  expect(b.core.statistics().regions.live).toBe(1);
  expect(difference(a, b)).toBeUndefined();
});

test('what arrives after derived state was dropped is not used', () => {
  const { finish, compiler } = held();
  const { core } = rig('jit', loop(), RAM, { threshold: 10, compiler });
  core.run(0, 2_000_000);
  finish();
  core.dropDerived();
  core.run(0, 10);
  expect(core.statistics().regions.made).toBe(0);
});

test("Node's thread compiles", async () => {
  const { core } = rig('jit', loop(), RAM, { threshold: 10, compiler: nodeRegionCompiler() });
  const end = expect.poll(
    () => {
      core.run(0, 1_000_000);
      return core.statistics().regions.live;
    },
    { timeout: 60_000 },
  );
  await end.toBe(1);
});
