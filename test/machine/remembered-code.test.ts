/** What machines of one user remember of hot code, in the user's cache. */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { keepRememberedCode, readRememberedCode } from '../../src/host/node/remembered-code.ts';
import { createHostRoom } from '../../src/host/room.ts';
import { translatorStatistics } from '../../src/machine/engine/cores.ts';
import { Machine } from '../../src/machine/session/machine.ts';
import { Assembler } from '../jit/assembler.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hindsight-remembered-'));
  vi.stubEnv('XDG_CACHE_HOME', folder);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

const file = (): string => join(folder, 'hindsight/translator/remembered.bin');

/** Functions enough to be worth keeping, called in turn. */
function program(): Uint8Array {
  const a = new Assembler();
  a.label('loop');
  for (let i = 0; i < 40; i++) a.to('jal', { rd: 1 }, `function ${i}`);
  a.to('jal', { rd: 0 }, 'loop');
  for (let i = 0; i < 40; i++) {
    a.label(`function ${i}`);
    a.op('addi', { rd: 10, rs1: 10, imm: i });
    a.op('jalr', { rd: 0, rs1: 1 });
  }
  return a.finish();
}

async function machine(): Promise<Machine> {
  const vm = await Machine.create(
    {
      firmware: { file: 'functions', bytes: program() },
      memory: '2M',
      translator: { ...readRememberedCode(), recallAfter: 0 },
    },
    createHostRoom(),
  );
  await vm.run({ instructions: 8_000_000 });
  return vm;
}

const recalled = (vm: Machine): number => translatorStatistics(vm.internals.engine.core)?.recalled ?? -1;

test('a later machine of the same code begins with what was hot; both are the same', async () => {
  expect(readRememberedCode()).toEqual({});
  const first = await machine();
  expect(recalled(first)).toBe(0);
  await keepRememberedCode(first);
  const second = await machine();
  expect(recalled(second)).toBeGreaterThan(0);
  expect(second.hash()).toBe(first.hash());
  // it learnt nothing: the file stays as it is
  const { mtimeMs } = statSync(file());
  await keepRememberedCode(second);
  expect(statSync(file()).mtimeMs).toBe(mtimeMs);
  await first.close();
  await second.close();
});

test('a damaged file is as none, and is replaced', async () => {
  const first = await machine();
  await keepRememberedCode(first);
  const whole = readFileSync(file());
  writeFileSync(file(), whole.subarray(0, whole.length - 7));
  const second = await machine();
  expect(recalled(second)).toBe(0);
  expect(second.hash()).toBe(first.hash());
  await keepRememberedCode(second);
  const third = await machine();
  expect(recalled(third)).toBeGreaterThan(0);
  for (const vm of [first, second, third]) await vm.close();
});

test('a cache that cannot be written fails nothing', async () => {
  writeFileSync(join(folder, 'hindsight'), 'a file where the folder should be');
  const vm = await machine();
  await keepRememberedCode(vm);
  await vm.close();
});
