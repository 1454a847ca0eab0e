import type { Decoded } from '../isa/decode.ts';
import type { Instruction } from '../isa/instruction.ts';
import { type Expr, type Leaf, leavesOf } from '../isa/semantics.ts';
import type { CodeRegion } from './region.ts';
import { type Structure, successors } from './structure.ts';

/** A set of registers: bit n of `x` and `f` stands for xn and fn. x0 is never a member. */
export interface RegisterSet {
  x: number;
  f: number;
}

interface RowUse {
  readonly leaves: ReadonlySet<Leaf>;
  readonly writesX: boolean;
  readonly writesF: boolean;
}

const uses = new Map<Instruction, RowUse>();

function useOf(row: Instruction): RowUse {
  const known = uses.get(row);
  if (known) return known;
  const s = row.statement;
  const leaves = new Set<Leaf>();
  const add = (e: Expr): void => void leavesOf(e, leaves);
  let writesX = false;
  let writesF = false;
  switch (s.kind) {
    case 'rd':
    case 'fd':
      add(s.value);
      if (s.kind === 'rd') writesX = true;
      else writesF = true;
      break;
    case 'load':
      add(s.address);
      if (s.to === 'rd') writesX = true;
      else writesF = true;
      break;
    case 'store':
      add(s.address);
      add(s.value);
      break;
    case 'branch':
      add(s.condition);
      break;
    case 'jump':
      add(s.target);
      writesX = true;
      break;
    case 'amo':
      leaves.add('rs1');
      add(s.value);
      writesX = true;
      break;
    case 'call':
      // lr, sc and CSR instructions are the calls that translated code makes itself
      if (row.format === 'CSR') {
        if (!s.name.endsWith('i')) leaves.add('rs1');
        writesX = true;
      } else if (row.format === 'AMO') {
        leaves.add('rs1');
        if (s.name.startsWith('sc')) leaves.add('rs2');
        writesX = true;
      }
  }
  const use = { leaves, writesX, writesF };
  uses.set(row, use);
  return use;
}

/** Registers an instruction reads. */
export function reads(d: Decoded): RegisterSet {
  const { leaves } = useOf(d.row);
  let x = 0;
  let f = 0;
  if (leaves.has('rs1')) x |= 1 << d.rs1;
  if (leaves.has('rs2')) x |= 1 << d.rs2;
  if (leaves.has('fs1')) f |= 1 << d.rs1;
  if (leaves.has('fs2')) f |= 1 << d.rs2;
  if (leaves.has('fs3')) f |= 1 << d.rs3;
  return { x: x & ~1, f };
}

/** Registers an instruction writes. */
export function writes(d: Decoded): RegisterSet {
  const { writesX, writesF } = useOf(d.row);
  return { x: writesX ? (1 << d.rd) & ~1 : 0, f: writesF ? 1 << d.rd : 0 };
}

/** What is known of the registers of a region at its blocks' starts. */
export interface RegisterFlow {
  /** Per block, then for the dispatcher: registers that may differ from the hart's memory when it starts. */
  readonly dirty: readonly RegisterSet[];
  /** Registers to load when the function is entered. */
  readonly loads: RegisterSet;
  /** Registers that need a local. */
  readonly used: RegisterSet;
}

/**
 * Finds the registers that must be loaded and written back. The dispatcher's node counts as a block after the last.
 * @param through nothing is loaded ahead or written back late: only what is used matters
 */
export function registerFlow(region: CodeRegion, shape: Structure, through: boolean): RegisterFlow {
  const count = region.blocks.length;
  const nodes = count + 1;
  const next: number[][] = region.blocks.map((b, i) => {
    const list = successors(region, i).map((to) => (shape.dispatched(i, to) ? count : to));
    if (b.ending.kind === 'indirect' && shape.dispatcher >= 0) list.push(count);
    return list;
  });
  next.push(shape.dispatcher >= 0 ? [...shape.labels] : [shape.root]);
  const defX = new Int32Array(nodes);
  const defF = new Int32Array(nodes);
  const useX = new Int32Array(nodes);
  const useF = new Int32Array(nodes);
  const used: RegisterSet = { x: 0, f: 0 };
  region.blocks.forEach((block, i) => {
    for (const { decoded } of block.code) {
      const r = reads(decoded);
      const w = writes(decoded);
      useX[i] |= r.x & ~defX[i];
      useF[i] |= r.f & ~defF[i];
      defX[i] |= w.x;
      defF[i] |= w.f;
      used.x |= r.x | w.x;
      used.f |= r.f | w.f;
    }
  });
  if (through) return { dirty: [], loads: { x: 0, f: 0 }, used };
  const dirtyX = new Int32Array(nodes);
  const dirtyF = new Int32Array(nodes);
  for (let changed = true; changed; ) {
    changed = false;
    for (let i = 0; i < nodes; i++) {
      const x = dirtyX[i] | defX[i];
      const f = dirtyF[i] | defF[i];
      for (const s of next[i]) {
        if ((dirtyX[s] | x) === dirtyX[s] && (dirtyF[s] | f) === dirtyF[s]) continue;
        dirtyX[s] |= x;
        dirtyF[s] |= f;
        changed = true;
      }
    }
  }
  // a block may be left at its start with everything dirty written back: that is a use
  const liveX = new Int32Array(nodes);
  const liveF = new Int32Array(nodes);
  for (let changed = true; changed; ) {
    changed = false;
    for (let i = nodes - 1; i >= 0; i--) {
      let x = 0;
      let f = 0;
      for (const s of next[i]) {
        x |= liveX[s];
        f |= liveF[s];
      }
      x = useX[i] | dirtyX[i] | (x & ~defX[i]);
      f = useF[i] | dirtyF[i] | (f & ~defF[i]);
      if (x !== liveX[i] || f !== liveF[i]) {
        liveX[i] = x;
        liveF[i] = f;
        changed = true;
      }
    }
  }
  return {
    dirty: Array.from({ length: nodes }, (_, i) => ({ x: dirtyX[i], f: dirtyF[i] })),
    loads: { x: liveX[count], f: liveF[count] },
    used,
  };
}
