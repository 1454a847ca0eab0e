import { rig, type Rig } from '../../bench/jit/rig.ts';
import type { JitStatistics } from '../../src/jit/core.ts';
import { HART_STATE_FIELDS, HART, hartAt, RAM_BASE } from '../../src/isa/layout.ts';
import { fuzzProgram } from './fuzz-program.ts';
import { Random } from './random.ts';

const RAM = 2 << 20;

/** Names the first field in which two harts differ, with both values. */
export function difference(a: Rig, b: Rig): string | undefined {
  for (const [name, width, count = 1] of HART_STATE_FIELDS as readonly (readonly [keyof typeof HART, number, number?])[]) {
    for (let i = 0; i < count; i++) {
      const at = hartAt(0) + HART[name] + i * width;
      const read = (r: Rig): bigint => (width === 8 ? r.memory.view.getBigUint64(at, true) : BigInt(r.memory.view.getUint32(at, true)));
      if (read(a) !== read(b)) return `${name}[${i}]: ${read(a).toString(16)} and ${read(b).toString(16)}`;
    }
  }
  const difference = Buffer.compare(a.memory.ramBytes, b.memory.ramBytes);
  if (difference === 0) return undefined;
  const at = a.memory.ramBytes.findIndex((v, i) => v !== b.memory.ramBytes[i]);
  return `RAM at ${at.toString(16)}: ${a.memory.ramBytes[at].toString(16)} and ${b.memory.ramBytes[at].toString(16)}`;
}

/**
 * Runs one random program under both cores, stopping after numbers of ticks picked from `stops`. @returns what the translator did
 * @throws Error naming seed, instant and field where they differ
 */
export function lockstep(seed: number, stops: readonly number[], ticks: number, threshold: number): JitStatistics {
  const r = new Random(seed);
  const program = fuzzProgram(r, { blocks: r.between(4, 24), instructions: r.between(2, 14), data: [0x40000, 0x41000, 0x7f000, 0x1ff000], base: RAM_BASE, supervisor: false });
  const a = rig('wasm', program, RAM);
  const b = rig('jit', program, RAM, { threshold });
  for (const g of [a, b]) g.hart.set('mstatus', g.hart.get('mstatus') | 0x6000n);
  let done = 0;
  while (done < ticks) {
    const n = r.pick(stops);
    const pc = a.hart.get('pc');
    const left = [a.core.run(0, n), b.core.run(0, n)];
    done += n;
    const found = left[0] !== left[1] ? `exits ${left.join(' and ')}` : difference(a, b);
    if (found !== undefined) throw new Error(`seed ${seed}, after ${done} ticks, from pc ${pc.toString(16)} by ${n}: ${found}`);
  }
  return b.core.statistics();
}
