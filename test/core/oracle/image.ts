import { assembleNamed } from '../../../src/isa/encode.ts';
import { RAM_BASE } from '../../../src/isa/layout.ts';
import { Random } from '../random.ts';
import { type Case, makeCase } from './cases.ts';
import {
  CODE,
  CODE_STRIDE,
  COMPARED,
  DATA,
  DATA_SIZE,
  INPUT,
  INPUT_CSRS,
  INPUT_STRIDE,
  INPUTS,
  STUB,
} from './layout.ts';
import { spaces } from './pages.ts';
import { runner } from './runner.ts';

export interface Image {
  /** RAM from its beginning; what follows is zero. */
  readonly bytes: Uint8Array;
  readonly cases: readonly Case[];
}

/** Random numbers that memory is full of. */
function number(r: Random): bigint {
  return r.chance(50) ? r.double() : r.chance(50) ? (BigInt(r.single()) << 32n) | BigInt(r.single()) : r.corner();
}

/** An image with that many cases; `only` keeps one of them at its place and makes the others empty. */
export function makeImage(seed: number, count: number, only?: number): Image {
  const r = new Random(seed);
  const bytes = new Uint8Array(COMPARED);
  const view = new DataView(bytes.buffer);
  const call = assembleNamed('ecall');
  runner(count).forEach((w, i) => view.setUint32(4 * i, w, true));
  for (let at = STUB; at < STUB + 4096; at += 4) view.setUint32(at, call, true);
  for (let at = DATA; at < DATA + DATA_SIZE; at += 8) view.setBigUint64(at, BigInt.asUintN(64, number(r)), true);
  const all = spaces(r, view);
  const cases: Case[] = [];
  for (let n = 0; n < count; n++) {
    const c = makeCase(r, n, all);
    cases.push(c);
    for (let i = 0; i < CODE_STRIDE / 4; i++)
      view.setUint32(
        CODE + n * CODE_STRIDE + 4 * i,
        (only === undefined || only === n ? c.code[i] : undefined) ?? call,
        true,
      );
    const put = (word: number, value: bigint): void =>
      view.setBigUint64(INPUTS + n * INPUT_STRIDE + 8 * word, BigInt.asUintN(64, value), true);
    Object.keys(INPUT_CSRS).forEach((name, i) => put(INPUT.csrs + i, c.csrs[name as keyof typeof INPUT_CSRS] ?? 0n));
    c.f.forEach((v, i) => put(INPUT.f + i, v));
    c.x.forEach((v, i) => put(INPUT.x + i, v));
  }
  return { bytes, cases };
}

/** Where a case's instructions are, physically. */
export const codeAddress = (index: number): number => RAM_BASE + CODE + index * CODE_STRIDE;
