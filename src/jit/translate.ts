import {
  DECODE_AT,
  DECODE_OWNER_AT,
  DECODE_STRIDE,
  HART,
  PAGE_SHIFT,
  TLB_ENTRY,
  TLB_EXECUTE,
  TLB_INDEX_MASK,
} from '../isa/layout.ts';
import { helperIndex, LEAVE, LEFT_AT, LOCAL } from './abi.ts';
import { type SharedAccesses, type SlowPath, shareProbes } from './bases.ts';
import { tickChecks } from './budget.ts';
import { type RegisterFlow, reads, registerFlow } from './dataflow.ts';
import { emit64, emitTruth, type Site } from './expression.ts';
import { emitF64, floatResult, loadFloatState } from './float.ts';
import { FunctionBuilder } from './function-builder.ts';
import { emitAmo, emitLoad, emitLoadReserved, emitStore, emitStoreConditional } from './memory.ts';
import type { Block, CodeRegion, Edge, Placed } from './region.ts';
import { type Structure, structure } from './structure.ts';
import { CSR_EFFECT, emitCsr, emitFence, isFloatCsr, isTouchedCsr, leaveAfterCsr } from './system.ts';
import { findHash, type Hash } from './target-hash.ts';
import type { FunctionBody } from './wasm-module.ts';
import { OP } from './wasm-opcodes.ts';

export interface TranslationOptions {
  /** Whether 2-byte alignment of jump targets is enough (extension C). */
  readonly compressed: boolean;
  /** Whether there is a floating-point environment (extension F). */
  readonly float: boolean;
  /** How the slow path of the instruction at this offset is taken. */
  readonly slowPathOf: (at: number) => SlowPath;
  /** Whether jumps through registers are likely to stay in the region. */
  readonly inside: boolean;
  /** When registers are written through to memory: for code that is seldom in a loop. See {@link FunctionBuilder}. */
  readonly through: 'never' | 'without-loops' | 'always';
}

/** A place a translated region can be entered at. */
export interface Entry {
  /** Offset from the base. */
  readonly at: number;
  /** What the function takes as its label: number, and the page's index in bits 31:16. */
  readonly label: number;
}

export interface TranslatedRegion {
  readonly body: FunctionBody;
  readonly entries: readonly Entry[];
}

/** Turns a region into a function. */
export function translate(region: CodeRegion, name: string, options: TranslationOptions): TranslatedRegion {
  return new RegionTranslator(region, options).run(name);
}

class RegionTranslator {
  private readonly region: CodeRegion;
  private readonly options: TranslationOptions;
  private readonly shape: Structure;
  private readonly flow: RegisterFlow;
  private readonly checks: Int32Array;
  private readonly builder: FunctionBuilder;
  private readonly labelDepth: Int32Array;
  private readonly labelOf: Map<number, number>;
  private readonly hash: Hash | undefined;
  private readonly usesFloat: boolean;
  private readonly through: boolean;
  private readonly shared: SharedAccesses;

  constructor(region: CodeRegion, options: TranslationOptions) {
    this.region = region;
    this.options = options;
    const jumpsInside = jumpsWithin(region, options.inside);
    this.shape = structure(region, jumpsInside);
    this.through =
      options.through === 'always' ||
      (options.through === 'without-loops' && region.blocks.every((_, i) => this.shape.isLoop[i] === 0));
    this.flow = registerFlow(region, this.shape, this.through);
    this.checks = tickChecks(region, this.shape);
    const sharing = shareProbes(region, this.shape, options.slowPathOf);
    this.shared = sharing.shared;
    this.builder = new FunctionBuilder(this.flow, sharing.locals, this.through);
    this.labelDepth = new Int32Array(region.blocks.length + 1);
    this.labelOf = new Map(this.shape.labels.map((block, label) => [block, label]));
    this.hash = jumpsInside ? findHash(region.entries.map((b) => region.blocks[b].start)) : undefined;
    this.usesFloat = region.blocks.some((b) => b.code.some(({ decoded }) => decoded.row.fp));
  }

  run(name: string): TranslatedRegion {
    const { builder, region, shape } = this;
    const { code } = builder;
    code.i32(0);
    code.memory(OP.I32_LOAD, 2, LEFT_AT);
    code.set(LOCAL.LEFT);
    code.get(LOCAL.HART);
    code.memory(OP.I32_LOAD, 2, HART.dataBank);
    code.set(LOCAL.BANK);
    if (region.pages.length > 1) {
      code.i32(1);
      code.get(LOCAL.LABEL);
      code.i32(16);
      code.op(OP.I32_SHR_U);
      code.op(OP.I32_SHL);
      code.set(LOCAL.VALID);
      code.get(LOCAL.LABEL);
      code.i32(0xffff);
      code.op(OP.I32_AND);
      code.set(LOCAL.LABEL);
    }
    if (!this.through) builder.load(this.flow.loads);
    if (this.usesFloat) loadFloatState(builder);
    this.tree(shape.root);
    const entries = shape.labels.map((block, label) => {
      const { start, pages } = region.blocks[block];
      return { at: start, label: label | (region.pages.length > 1 ? pages[0] << 16 : 0), pages };
    });
    return {
      body: builder.finish(name),
      entries: entries.filter((e) => e.pages.length === 1).map(({ at, label }) => ({ at, label })),
    };
  }

  // ---- nesting

  private tree(node: number): void {
    const { builder, shape } = this;
    if (shape.isLoop[node]) {
      builder.open(OP.LOOP);
      const depth = builder.depth;
      this.within(node, depth);
      builder.close();
    } else this.within(node, 0);
  }

  /** @param loop depth of the node's own loop, 0 when it has none */
  private within(node: number, loop: number): void {
    const { builder, shape } = this;
    const children = shape.mergeChildren[node];
    for (const child of children) {
      builder.open(OP.BLOCK);
      this.labelDepth[child] = builder.depth;
    }
    // back edges come from the node's own subtree, which is written after its label served as a block's: the loop's now
    if (loop > 0) this.labelDepth[node] = loop;
    if (node === shape.dispatcher) this.dispatch();
    else this.block(this.region.blocks[node]);
    for (let i = children.length - 1; i >= 0; i--) {
      builder.close();
      this.tree(children[i]);
    }
  }

  private branchTo(node: number): void {
    this.builder.code.branch(OP.BR, this.builder.depth - this.labelDepth[node]);
  }

  /** The dispatcher: a table over the labels, then over the hash values of targets known at run time. */
  private dispatch(): void {
    const { builder, shape, region, hash } = this;
    const { code } = builder;
    const depthOf = (block: number): number => builder.depth - this.labelDepth[block];
    if (!hash) {
      if (shape.labels.length === 1) return this.branchTo(shape.labels[0]);
      code.get(LOCAL.LABEL);
      code.op(OP.BR_TABLE);
      code.unsigned(shape.labels.length - 1);
      for (const l of shape.labels) code.unsigned(depthOf(l));
      return;
    }
    this.enterState(region.blocks.length);
    for (let i = 0; i <= region.entries.length; i++) builder.open(OP.BLOCK);
    code.get(LOCAL.LABEL);
    code.op(OP.BR_TABLE);
    const inner = region.entries.length;
    code.unsigned(shape.labels.length + hash.slots.length);
    for (const l of shape.labels) code.unsigned(depthOf(l));
    for (const slot of hash.slots) code.unsigned(slot < 0 ? inner : slot);
    code.unsigned(inner);
    region.entries.forEach((block) => {
      builder.close();
      code.get(LOCAL.TEMP_C);
      code.i64(region.blocks[block].start);
      code.op(OP.I64_NE);
      builder.leaveIf(LEAVE.CONTINUE, undefined);
      const { pages, start } = region.blocks[block];
      if (region.pages.length > 1) this.pageCheck(pages[0], start);
      this.branchTo(block);
    });
    builder.close();
    builder.leave(LEAVE.CONTINUE, undefined);
  }

  private enterState(node: number): void {
    const { dirty, known } = this.builder;
    if (!this.through) {
      dirty.x = this.flow.dirty[node].x;
      dirty.f = this.flow.dirty[node].f;
    } else if (this.shape.isMerge[node] || this.shape.isLoop[node] || node === this.shape.root) {
      // entered in several ways
      known.x = 0;
      known.f = 0;
    }
    this.builder.unused = 0;
  }

  // ---- blocks

  private block(block: Block): void {
    const { builder } = this;
    const { code } = builder;
    this.enterState(block.index);
    const need = this.checks[block.index];
    if (need > 0) {
      code.get(LOCAL.LEFT);
      code.i32(need);
      code.op(OP.I32_LT_S);
      builder.leaveIf(LEAVE.BUDGET, block.start);
    }
    const ticks = block.code.length;
    if (ticks > 0) {
      code.get(LOCAL.LEFT);
      code.i32(ticks);
      code.op(OP.I32_SUB);
      code.set(LOCAL.LEFT);
    }
    let floatChecked = false;
    block.code.forEach((placed, i) => {
      builder.unused = ticks - i;
      if (placed.decoded.row.fp && !floatChecked) {
        floatChecked = true;
        code.get(LOCAL.FLOAT);
        code.op(OP.I32_EQZ);
        builder.leaveIf(LEAVE.RARE, placed.at);
      }
      if (placed.probed) {
        builder.flush();
        code.get(LOCAL.HART);
        builder.address(placed.at);
        code.call(helperIndex('probe'));
        code.op(OP.I32_EQZ);
        builder.leaveIf(LEAVE.INTERPRET, placed.at);
      }
      builder.need(reads(placed.decoded));
      this.instruction(block, placed);
      if (isTouchedCsr(placed.decoded)) floatChecked = false;
    });
    builder.unused = 0;
    const e = block.ending;
    if (e.kind === 'next') this.go(block, e.next);
    else if (e.kind === 'leave') builder.leave(LEAVE.INTERPRET, e.at);
  }

  private site({ at, decoded }: Placed): Site {
    return {
      builder: this.builder,
      decoded,
      at,
      slowPath: this.options.slowPathOf(at),
      shared: this.shared.get(decoded),
      floatResult,
    };
  }

  private instruction(block: Block, placed: Placed): void {
    const { builder } = this;
    const { decoded: d, at } = placed;
    const statement = d.row.statement;
    const site = this.site(placed);
    switch (statement.kind) {
      case 'rd':
        // without effect, but for the flags floating point raises
        if (d.rd === 0 && !d.row.fp) return;
        emit64(statement.value, site);
        return builder.setX(d.rd);
      case 'fd':
        emitF64(statement.value, site);
        return builder.setF(d.rd);
      case 'load':
        return emitLoad(statement, site);
      case 'store':
        return emitStore(statement, site);
      case 'amo':
        return emitAmo(statement, site);
      case 'call':
        switch (statement.name) {
          case 'lr_w':
          case 'lr_d':
            return emitLoadReserved(site, statement.name === 'lr_w' ? 4 : 8);
          case 'sc_w':
          case 'sc_d':
            return emitStoreConditional(site, statement.name === 'sc_w' ? 4 : 8);
          case 'sfence_vma':
            return emitFence(site);
        }
        if (isTouchedCsr(d)) this.csr(site);
        return;
      case 'branch':
        return this.branch(block, site);
      case 'jump':
        if (block.ending.kind === 'jump') {
          if (this.misaligned(block.ending.taken.to)) return builder.leave(LEAVE.INTERPRET, at);
          this.link(site);
          builder.unused = 0;
          return this.go(block, block.ending.taken);
        }
        return this.indirect(site);
    }
  }

  private csr(site: Site): void {
    const { builder } = this;
    // without F there are none
    if (isFloatCsr(site.decoded) && !this.options.float) return builder.leave(LEAVE.INTERPRET, site.at);
    const effect = emitCsr(site);
    if (effect === CSR_EFFECT.NONE) return;
    if (this.usesFloat) loadFloatState(builder);
    if (effect === CSR_EFFECT.FLOAT) return;
    builder.unused--;
    leaveAfterCsr(site, site.at + site.decoded.length);
  }

  /** Without C, jumps to half-word addresses trap: the interpreter does it. */
  private misaligned(target: number): boolean {
    return !this.options.compressed && (target & 2) !== 0;
  }

  private link({ builder, decoded, at }: Site): void {
    if (decoded.rd === 0) return;
    builder.address(at + decoded.length);
    builder.setX(decoded.rd);
  }

  private branch(block: Block, site: Site): void {
    const { builder } = this;
    const { statement } = site.decoded.row;
    if (statement.kind !== 'branch' || block.ending.kind !== 'branch')
      throw new Error(`${site.decoded.row.name} ends no block`);
    const { taken, next } = block.ending;
    emitTruth(statement.condition, site);
    if (this.misaligned(taken.to)) {
      builder.leaveIf(LEAVE.INTERPRET, site.at);
      builder.unused = 0;
      return this.go(block, next);
    }
    builder.unused = 0;
    if (taken.block < 0) {
      builder.leaveIf(LEAVE.CONTINUE, taken.to);
      return this.go(block, next);
    }
    const { x, f } = builder.dirty;
    const known = { ...builder.known };
    if (this.isPlainBranch(block, taken)) {
      builder.code.branch(OP.BR_IF, builder.depth - this.labelDepth[taken.block]);
      return this.go(block, next);
    }
    builder.open(OP.IF);
    this.go(block, taken);
    builder.close();
    builder.dirty.x = x;
    builder.dirty.f = f;
    builder.known.x = known.x;
    builder.known.f = known.f;
    builder.unused = 0;
    this.go(block, next);
  }

  private isJumpBack(block: Block, edge: Edge): boolean {
    return this.shape.order[edge.block] <= this.shape.order[block.index];
  }

  /** Whether following the edge is a `br` and nothing else. */
  private isPlainBranch(block: Block, edge: Edge): boolean {
    return (
      edge.block >= 0 &&
      !this.shape.dispatched(block.index, edge.block) &&
      this.missingPages(block, edge).length === 0 &&
      (this.shape.isMerge[edge.block] === 1 || this.isJumpBack(block, edge))
    );
  }

  private missingPages(block: Block, edge: Edge): number[] {
    const last = block.pages[block.pages.length - 1];
    return this.region.blocks[edge.block].pages.filter((p) => p !== last);
  }

  /** Follows an edge; no code follows it. */
  private go(block: Block, edge: Edge): void {
    const { builder, shape } = this;
    if (edge.block < 0) return builder.leave(LEAVE.CONTINUE, edge.to);
    for (const page of this.missingPages(block, edge)) this.pageCheck(page, edge.to);
    if (shape.dispatched(block.index, edge.block)) {
      builder.code.i32(this.labelOf.get(edge.block)!);
      builder.code.set(LOCAL.LABEL);
      return this.branchTo(shape.dispatcher);
    }
    if (shape.isMerge[edge.block] || this.isJumpBack(block, edge)) return this.branchTo(edge.block);
    this.tree(edge.block);
  }

  /** Makes sure that a page of the region is mapped for execution as it was: by the fetch TLB, once while the function runs. */
  private pageCheck(index: number, target: number): void {
    const { builder } = this;
    const { code } = builder;
    const { delta, ram } = this.region.pages[index];
    code.get(LOCAL.VALID);
    code.i32(1 << index);
    code.op(OP.I32_AND);
    code.op(OP.I32_EQZ);
    builder.openUnlikely();
    builder.address(delta << PAGE_SHIFT);
    code.tee(LOCAL.ADDRESS);
    code.op(OP.I32_WRAP_I64);
    code.i32(8);
    code.op(OP.I32_SHR_U);
    code.i32(TLB_INDEX_MASK);
    code.op(OP.I32_AND);
    code.get(LOCAL.HART);
    code.memory(OP.I32_LOAD, 2, HART.fetchBank);
    code.op(OP.I32_ADD);
    code.tee(LOCAL.ENTRY);
    code.memory(OP.I64_LOAD, 3, TLB_EXECUTE + TLB_ENTRY.tag);
    code.get(LOCAL.ADDRESS);
    code.op(OP.I64_NE);
    builder.leaveIf(LEAVE.CONTINUE, target);
    code.get(LOCAL.ENTRY);
    code.memory(OP.I32_LOAD, 2, TLB_EXECUTE + TLB_ENTRY.addend);
    code.i32(DECODE_AT);
    code.op(OP.I32_SUB);
    code.i32(DECODE_STRIDE);
    code.op(OP.I32_DIV_U);
    code.i32(2);
    code.op(OP.I32_SHL);
    code.memory(OP.I32_LOAD, 2, DECODE_OWNER_AT);
    code.i32(ram >>> PAGE_SHIFT);
    code.op(OP.I32_NE);
    builder.leaveIf(LEAVE.CONTINUE, target);
    code.get(LOCAL.VALID);
    code.i32(1 << index);
    code.op(OP.I32_OR);
    code.set(LOCAL.VALID);
    builder.close();
  }

  /** A jump to an address in a register: on at a label of the region when it is one's, else out. */
  private indirect(site: Site): void {
    const { builder, hash } = this;
    const { code } = builder;
    const { statement } = site.decoded.row;
    if (statement.kind !== 'jump') throw new Error(`${site.decoded.row.name} is no jump`);
    emit64(statement.target, site);
    code.set(LOCAL.PC);
    if (!this.options.compressed) {
      code.get(LOCAL.PC);
      code.i64(2);
      code.op(OP.I64_AND);
      code.op(OP.I32_WRAP_I64);
      builder.leaveIf(LEAVE.INTERPRET, site.at);
    }
    this.link(site);
    builder.unused = 0;
    if (!hash) return builder.leave(LEAVE.CONTINUE, undefined);
    code.get(LOCAL.PC);
    code.get(LOCAL.BASE);
    code.op(OP.I64_SUB);
    code.tee(LOCAL.TEMP_C);
    code.op(OP.I32_WRAP_I64);
    code.i32(hash.multiplier);
    code.op(OP.I32_MUL);
    code.i32(hash.shift);
    code.op(OP.I32_SHR_U);
    code.i32(this.shape.labels.length);
    code.op(OP.I32_ADD);
    code.set(LOCAL.LABEL);
    // the stub after the table compares the whole offset
    this.branchTo(this.shape.dispatcher);
  }
}

/** Whether jumps through registers may stay in the region: that was seen, or it holds calls and their return sites. */
function jumpsWithin(region: CodeRegion, seen: boolean): boolean {
  if (!region.blocks.some((b) => b.ending.kind === 'indirect')) return false;
  return (
    region.blocks.some(
      (b) => b.ending.kind === 'jump' && b.ending.taken.block >= 0 && b.code[b.code.length - 1].decoded.rd !== 0,
    ) || seen
  );
}
