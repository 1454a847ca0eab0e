import { beforeEach, expect, test } from 'vitest';
import { PLIC_SOURCES, Plic } from '../../src/devices/plic.ts';
import { World } from './world.ts';

const M0 = 0;
const S1 = 3;
const CLAIM = 4;
let plic: Plic;
let external: boolean[];

const get = (offset: number): number => plic.read(offset, 4);
const set = (offset: number, value: number): void => plic.write(offset, 4, value);
const enable = (context: number, ...sources: number[]): void => {
  for (let word = 0; word < 4; word++) {
    const bits = sources.filter((irq) => irq >>> 5 === word).reduce((sum, irq) => (sum | (1 << (irq & 31))) >>> 0, 0);
    set(0x2000 + 0x80 * context + 4 * word, bits);
  }
};
const prioritise = (irq: number, priority: number): void => set(4 * irq, priority);
const context = (n: number, register = 0): number => 0x200000 + 0x1000 * n + register;

beforeEach(() => {
  external = [];
  plic = new Plic(new World().context, { harts: 2, setExternal: (n, level) => (external[n] = level) });
});

test('a source reaches exactly the contexts that enable it', () => {
  prioritise(10, 1);
  enable(S1, 10);
  plic.setSource(10, true);
  expect(external[S1]).toBe(true);
  expect(external[M0]).not.toBe(true);
  expect(get(0x1000)).toBe(1 << 10);
  expect(get(context(S1, CLAIM))).toBe(10);
  expect(external[S1]).toBe(false);
  expect(get(context(S1, CLAIM))).toBe(0);
});

test('a wire still high at completion is pending again, a fallen one is not', () => {
  prioritise(10, 1);
  enable(S1, 10);
  plic.setSource(10, true);
  get(context(S1, CLAIM));
  set(context(S1, CLAIM), 10);
  expect(external[S1]).toBe(true);
  get(context(S1, CLAIM));
  plic.setSource(10, false);
  set(context(S1, CLAIM), 10);
  expect(external[S1]).toBe(false);
});

test('a rise while claimed waits for completion', () => {
  prioritise(10, 1);
  enable(S1, 10);
  plic.setSource(10, true);
  get(context(S1, CLAIM));
  plic.setSource(10, false);
  plic.setSource(10, true);
  expect(get(0x1000)).toBe(0);
  set(context(S1, CLAIM), 10);
  expect(get(0x1000)).toBe(1 << 10);
});

test('a request stays pending when its wire falls before the claim', () => {
  prioritise(10, 1);
  enable(S1, 10);
  plic.setSource(10, true);
  plic.setSource(10, false);
  expect(get(context(S1, CLAIM))).toBe(10);
});

test('the highest priority is claimed first, the lowest id among equals', () => {
  const priorities = new Map([
    [3, 2],
    [31, 7],
    [32, 7],
    [64, 5],
    [PLIC_SOURCES, 7],
  ]);
  for (const [irq, priority] of priorities) prioritise(irq, priority);
  enable(S1, ...priorities.keys());
  for (const irq of priorities.keys()) plic.setSource(irq, true);
  const claims = Array.from({ length: 6 }, () => get(context(S1, CLAIM)));
  expect(claims).toEqual([31, 32, PLIC_SOURCES, 64, 3, 0]);
});

test('the threshold masks the interrupt but not the claim; priority 0 is never', () => {
  prioritise(5, 3);
  enable(S1, 5, 6);
  set(context(S1), 3);
  plic.setSource(5, true);
  plic.setSource(6, true);
  expect(external[S1]).not.toBe(true);
  set(context(S1), 2);
  expect(external[S1]).toBe(true);
  set(context(S1), 7);
  expect(external[S1]).toBe(false);
  expect(get(context(S1, CLAIM))).toBe(5);
  expect(get(context(S1, CLAIM))).toBe(0);
});

test('a completion by a context that does not enable the source is ignored', () => {
  prioritise(5, 1);
  enable(S1, 5);
  plic.setSource(5, true);
  get(context(S1, CLAIM));
  set(context(M0, CLAIM), 5);
  expect(get(0x1000)).toBe(0);
  set(context(S1, CLAIM), 5);
  expect(get(0x1000)).toBe(1 << 5);
});

test('source 0 and sources beyond the last do not exist', () => {
  set(0, 7);
  expect(get(0)).toBe(0);
  for (let word = 0; word < 4; word++) set(0x2000 + 4 * word, 0xffffffff);
  expect([0, 4, 8, 12].map((at) => get(0x2000 + at))).toEqual([0xfffffffe, 0xffffffff, 0xffffffff, 1]);
  expect(() => plic.setSource(0, true)).toThrow('no source 0');
  expect(() => plic.setSource(PLIC_SOURCES + 1, true)).toThrow('no source');
});
