/** Regions that go to each other while the mappings between them change: what was found before never outlives its mapping. */
import { describe, expect, test } from 'vitest';
import { type Rig, rig } from '../../bench/jit/rig.ts';
import { assembleNamed } from '../../src/isa/encode.ts';
import { Assembler } from './assembler.ts';
import { difference } from './lockstep.ts';
import { enterPaged, pagedSatp, pageEntry, remapCode } from './paged.ts';
import { Random } from './random.ts';

const RAM = 2 << 20;
const CALLEE_PAGE = 2;

/** Calls a function on another page through a register, for ever; it counts in x11. */
function program(): Uint8Array {
  const a = new Assembler();
  a.label('loop');
  a.la(26, 'callee');
  a.op('jalr', { rd: 1, rs1: 26 });
  a.op('addi', { rd: 10, rs1: 10, imm: 1 });
  a.to('jal', { rd: 0 }, 'loop');
  while (a.here < CALLEE_PAGE * 4096) a.half(1);
  a.label('callee');
  a.op('addi', { rd: 11, rs1: 11, imm: 1 });
  a.op('jalr', { rd: 0, rs1: 1 });
  return a.finish();
}

/** A pair of machines whose second copy of the function counts by 1000. */
function pair(): Rig[] {
  return (['wasm', 'jit'] as const).map((kind) => {
    // regions stay apart: making one of them costs too much
    const g = rig(kind, new Uint8Array(), RAM, { threshold: 5, instruction: 1e9 });
    enterPaged(g, program(), new Random(1));
    const at = pageEntry(CALLEE_PAGE).copy * 4096;
    g.memory.view.setUint32(
      g.memory.ramBytes.byteOffset + at,
      assembleNamed('addi', { rd: 11, rs1: 11, imm: 1000 }),
      true,
    );
    g.core.ramChanged(at, 4);
    return g;
  });
}

const CHANGES: Record<string, (g: Rig, other: boolean) => void> = {
  'the function’s page is mapped elsewhere': (g, other) => remapCode(g, CALLEE_PAGE, other ? 'copy' : 'code'),
  'the function’s page goes and comes back': (g, other) => remapCode(g, CALLEE_PAGE, other ? undefined : 'code'),
  'satp changes': ({ hart, core }, other) => {
    hart.set('satp', pagedSatp(other ? 1 : 0));
    core.hartChanged(0);
  },
  'privilege changes': ({ hart, core }, other) => {
    // the pages are S-mode's: in U-mode their fetches fault
    hart.set32('prv', other ? 0 : 1);
    core.hartChanged(0);
  },
  'the function’s code changes': ({ memory, core }, other) => {
    const at = pageEntry(CALLEE_PAGE).code * 4096;
    const word = assembleNamed('addi', { rd: 11, rs1: 11, imm: other ? 7 : 1 });
    memory.view.setUint32(memory.ramBytes.byteOffset + at, word, true);
    core.ramChanged(at, 4);
  },
};

describe('linked regions', () => {
  test.each(Object.keys(CHANGES))('%s', (name) => {
    const [a, b] = pair();
    const r = new Random(7);
    for (const { core } of [a, b]) core.run(0, 4_000_000);
    const { entered } = (b.core as ReturnType<typeof rig<'jit'>>['core']).statistics();
    expect(entered).toBeGreaterThan(1000);
    for (let n = 0; n < 60; n++) {
      for (const g of [a, b]) CHANGES[name](g, n % 2 === 0);
      const [pc, epc] = [a.hart.get('pc'), a.hart.get('sepc')];
      // exact stops inside the chain
      for (const ticks of [r.between(1, 40), r.between(100, 3000)]) {
        const exits = [a, b].map(({ core }) => core.run(0, ticks));
        expect(exits[0], `${name} ${n} from ${pc.toString(16)}, ${epc.toString(16)}`).toBe(exits[1]);
        expect(difference(a, b)).toBeUndefined();
      }
      // out of the trap that a missing page led to
      if (a.hart.get('scause') !== 0n) {
        for (const { hart, core } of [a, b]) {
          hart.set('pc', hart.get('sepc'));
          hart.set('scause', 0n);
          hart.set32('prv', 1);
          core.hartChanged(0);
        }
      }
    }
    expect(a.hart.get('x', 11)).toBeGreaterThan(1000n);
  });
});
