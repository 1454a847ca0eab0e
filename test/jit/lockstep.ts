import { type Rig, rig } from '../../bench/jit/rig.ts';
import { HART, HART_STATE_FIELDS, hartAt, RAM_BASE } from '../../src/isa/layout.ts';
import type { JitCore, JitStatistics } from '../../src/jit/core.ts';
import { delayedCompiler } from './delayed-compiler.ts';
import { fuzzProgram } from './fuzz-program.ts';
import { enterPaged, PAGED_BASE, PAGED_DATA, remap } from './paged.ts';
import { Random } from './random.ts';

const RAM = 2 << 20;

/** Names the first field in which two harts differ, with both values. */
export function difference(a: Rig, b: Rig): string | undefined {
  for (const [name, width, count = 1] of HART_STATE_FIELDS as readonly (readonly [
    keyof typeof HART,
    number,
    number?,
  ])[]) {
    for (let i = 0; i < count; i++) {
      const at = hartAt(0) + HART[name] + i * width;
      const read = (r: Rig): bigint =>
        width === 8 ? r.memory.view.getBigUint64(at, true) : BigInt(r.memory.view.getUint32(at, true));
      if (read(a) !== read(b)) return `${name}[${i}]: ${read(a).toString(16)} and ${read(b).toString(16)}`;
    }
  }
  const difference = Buffer.compare(a.memory.ramBytes, b.memory.ramBytes);
  if (difference === 0) return undefined;
  const at = a.memory.ramBytes.findIndex((v, i) => v !== b.memory.ramBytes[i]);
  return `RAM at ${at.toString(16)}: ${a.memory.ramBytes[at].toString(16)} and ${b.memory.ramBytes[at].toString(16)}`;
}

/** What a run remembers. */
function earlier(g: Rig & { readonly core: JitCore }, enter: (g: Rig) => void, ticks: number): Uint8Array {
  enter(g);
  g.core.run(0, ticks);
  return g.core.remember();
}

/** Once the program has set where its traps go. */
function toUser({ hart, core }: Rig): void {
  if (hart.get('mtvec') === 0n) return;
  hart.set32('prv', 0);
  core.hartChanged(0);
}

/** How a random program is run. */
export interface LockstepMode {
  /** Numbers of ticks between comparisons are picked from these. */
  readonly stops: readonly number[];
  readonly ticks: number;
  /** The translator's; 0: everything is translated at first execution. */
  readonly threshold: number;
  /** In S-mode with page tables that change, instead of M-mode over bare memory. */
  readonly paged?: boolean;
  /** In U-mode over bare memory, where it goes back to after each comparison: the translator makes other code of user programs. */
  readonly user?: boolean;
  /** Compiled as if on another thread, published at random moments. */
  readonly elsewhere?: boolean;
  /** With what a run of the same program before remembered. */
  readonly remembered?: boolean;
}

/**
 * Runs one random program under both cores. @returns what the translator did
 * @throws Error naming seed, instant and field where they differ
 */
export function lockstep(seed: number, mode: LockstepMode): JitStatistics {
  const r = new Random(seed);
  const sizes = { blocks: r.between(4, 24), instructions: r.between(2, 14) };
  const program = mode.paged
    ? fuzzProgram(r, { ...sizes, data: PAGED_DATA, base: PAGED_BASE, supervisor: true, remap })
    : fuzzProgram(r, { ...sizes, data: [0x40000, 0x41000, 0x7f000, 0x1ff000], base: RAM_BASE, supervisor: false });
  const start = mode.paged ? new Uint8Array() : program;
  const a = rig('wasm', start, RAM);
  const enter = (g: Rig): void => {
    if (mode.paged) enterPaged(g, program, new Random(seed));
    g.hart.set('mstatus', g.hart.get('mstatus') | 0x6000n);
    if (mode.user) {
      // protection that allows everything
      g.hart.set('pmpcfg', 0x1fn);
      g.hart.set('pmpaddr', (1n << 54n) - 1n);
    }
  };
  const b = rig('jit', start, RAM, {
    threshold: mode.threshold,
    ...(mode.remembered && { remembered: earlier(rig('jit', start, RAM, { threshold: 3 }), enter, mode.ticks) }),
    ...(mode.elsewhere && { compiler: delayedCompiler(new Random(seed ^ 0x5bd1)) }),
  });
  for (const g of [a, b]) enter(g);
  let done = 0;
  while (done < mode.ticks) {
    const n = r.pick(mode.stops);
    const pc = a.hart.get('pc');
    const left = [a.core.run(0, n), b.core.run(0, n)];
    done += n;
    const found = left[0] !== left[1] ? `exits ${left.join(' and ')}` : difference(a, b);
    if (found !== undefined)
      throw new Error(`seed ${seed}, after ${done} ticks, from pc ${pc.toString(16)} by ${n}: ${found}`);
    if (mode.user) for (const g of [a, b]) toUser(g);
  }
  return b.core.statistics();
}
