import { HART } from '../isa/layout.ts';
import { FIXED_LOCALS, LEFT_AT, type Leave, LOCAL } from './abi.ts';
import type { RegisterFlow, RegisterSet } from './dataflow.ts';
import { WasmCode } from './wasm-code.ts';
import type { FunctionBody } from './wasm-module.ts';
import { OP, TYPE } from './wasm-opcodes.ts';

const XLEN_SHIFT = 3;

/** A place the function is left from. */
interface Exit {
  readonly leave: Leave;
  /** Offset of the pc from the base, or undefined when LOCAL.PC holds it already. */
  readonly pc: number | undefined;
  /** Ticks to give back: counted for the block but not used. */
  readonly unused: number;
  readonly group: number;
}

interface ExitGroup {
  readonly leave: Leave;
  readonly dirty: RegisterSet;
  /** LOCAL.PC is an offset from the base. */
  readonly relative: boolean;
}

/**
 * The function under construction: its code, its locals and the ways out. All ways out follow the body, so that the code between
 * branches is what usually runs: a exit sets pc and gives ticks back, a group of exits writes the same registers back.
 *
 * ```
 * block groups… block exits…  body  end exit 0 → group … end  group 0: write back, return …
 * ```
 */
export class FunctionBuilder {
  readonly code = new WasmCode(4096);
  /** Labels open inside the body. */
  depth = 0;
  /** What differs from the hart's memory here, and ticks counted but not used yet: kept by the translation of blocks. */
  readonly dirty: RegisterSet = { x: 0, f: 0 };
  /** While writing through: registers whose locals hold what the hart's memory does. */
  readonly known: RegisterSet = { x: 0, f: 0 };
  unused = 0;
  private readonly exits: Exit[] = [];
  private readonly exitIndex = new Map<string, number>();
  private readonly groups: ExitGroup[] = [];
  private readonly groupIndex = new Map<string, number>();
  private readonly unlikely: number[] = [];
  private readonly xLocal = new Int32Array(32);
  private readonly fLocal = new Int32Array(32);
  private readonly xCount: number;
  private readonly fCount: number;
  private readonly groupCount: number;
  private readonly through: boolean;
  private floats = 0;

  /**
   * @param groups locals for shared TLB probes
   * @param through registers are written to the hart's memory at once and read from there where their local is not known to hold them: entering and
   * leaving costs next to nothing, and so does compiling, but the code runs slower
   */
  constructor(flow: RegisterFlow, groups: number, through: boolean) {
    this.groupCount = groups;
    this.through = through;
    let local: number = LOCAL.FIRST_REGISTER;
    for (let r = 1; r < 32; r++) if (flow.used.x & (1 << r)) this.xLocal[r] = local++;
    this.xCount = local - LOCAL.FIRST_REGISTER;
    for (let r = 0; r < 32; r++) if (flow.used.f & (1 << r)) this.fLocal[r] = local++;
    this.fCount = local - LOCAL.FIRST_REGISTER - this.xCount;
  }

  /** Pushes an integer register (i64). */
  getX(r: number): void {
    if (r === 0) this.code.i64(0);
    else this.code.get(this.xLocal[r]);
  }

  /** Pops into an integer register. */
  setX(r: number): void {
    if (r === 0) return this.code.op(OP.DROP);
    this.code.set(this.xLocal[r]);
    if (!this.through) this.dirty.x |= 1 << r;
    else {
      this.known.x |= 1 << r;
      this.storeX(this.code, r);
    }
  }

  /** Makes sure that locals hold what an instruction reads. Call it before the instruction's code, outside of everything conditional. */
  need({ x, f }: RegisterSet): void {
    if (!this.through) return;
    this.load({ x: x & ~this.known.x, f: f & ~this.known.f });
    this.known.x |= x;
    this.known.f |= f;
  }

  /** Has the hart's memory hold what its integer registers do; they are written back again where the function is left. */
  flush(): void {
    for (let r = 1; r < 32; r++) if (this.dirty.x & (1 << r)) this.storeX(this.code, r);
  }

  private storeX(out: WasmCode, r: number): void {
    out.get(LOCAL.HART);
    out.get(this.xLocal[r]);
    out.memory(OP.I64_STORE, 3, HART.x + (r << XLEN_SHIFT));
  }

  private storeF(out: WasmCode, r: number): void {
    out.get(LOCAL.HART);
    out.get(this.fLocal[r]);
    out.memory(OP.F64_STORE, 3, HART.f + (r << XLEN_SHIFT));
  }

  /** Local of an integer register other than x0. */
  localOfX(r: number): number {
    return this.xLocal[r];
  }

  /** Pushes a floating-point register (f64: its 64 raw bits). */
  getF(r: number): void {
    this.code.get(this.fLocal[r]);
  }

  setF(r: number): void {
    this.code.set(this.fLocal[r]);
    if (!this.through) this.dirty.f |= 1 << r;
    else {
      this.known.f |= 1 << r;
      this.storeF(this.code, r);
    }
  }

  /** Local of a group of accesses: the linear-memory address of its anchor. */
  groupLocal(n: number): number {
    return LOCAL.FIRST_REGISTER + this.xCount + this.fCount + n;
  }

  /** An f64 local beyond the fixed ones; such are made when asked for. */
  floatLocal(n: number): number {
    this.floats = Math.max(this.floats, n + 1);
    return LOCAL.FIRST_REGISTER + this.xCount + this.fCount + this.groupCount + n;
  }

  open(opcode: number): void {
    this.code.open(opcode);
    this.depth++;
  }

  /** Opens an `if` that is seldom entered. */
  openUnlikely(): void {
    this.unlikely.push(this.code.length);
    this.open(OP.IF);
  }

  otherwise(): void {
    this.code.op(OP.ELSE);
  }

  close(): void {
    this.code.end();
    this.depth--;
  }

  private exit(leave: Leave, pc: number | undefined): number {
    const { x, f } = this.dirty;
    const relative = pc !== undefined;
    const groupKey = `${leave} ${x} ${f} ${relative}`;
    let group = this.groupIndex.get(groupKey);
    if (group === undefined) {
      group = this.groups.push({ leave, dirty: { x, f }, relative }) - 1;
      this.groupIndex.set(groupKey, group);
    }
    const exitKey = `${group} ${pc} ${this.unused}`;
    let exit = this.exitIndex.get(exitKey);
    if (exit === undefined) {
      exit = this.exits.push({ leave, pc, unused: this.unused, group }) - 1;
      this.exitIndex.set(exitKey, exit);
    }
    return exit;
  }

  /** Leaves. @param pc offset from the base, undefined: LOCAL.PC holds the address */
  leave(why: Leave, pc: number | undefined): void {
    this.code.branch(OP.BR, this.depth + this.exit(why, pc));
  }

  /** Leaves when the i32 on the stack is not 0. */
  leaveIf(why: Leave, pc: number | undefined): void {
    this.unlikely.push(this.code.length);
    this.code.branch(OP.BR_IF, this.depth + this.exit(why, pc));
  }

  /** Pushes base + offset. */
  address(offset: number): void {
    this.code.get(LOCAL.BASE);
    if (offset === 0) return;
    this.code.i64(offset);
    this.code.op(OP.I64_ADD);
  }

  /** Loads registers into their locals. */
  load(registers: RegisterSet): void {
    const { code } = this;
    for (let r = 1; r < 32; r++) {
      if (!(registers.x & (1 << r))) continue;
      code.get(LOCAL.HART);
      code.memory(OP.I64_LOAD, 3, HART.x + (r << XLEN_SHIFT));
      code.set(this.xLocal[r]);
    }
    for (let r = 0; r < 32; r++) {
      if (!(registers.f & (1 << r))) continue;
      code.get(LOCAL.HART);
      code.memory(OP.F64_LOAD, 3, HART.f + (r << XLEN_SHIFT));
      code.set(this.fLocal[r]);
    }
  }

  private writeBack({ leave, dirty, relative }: ExitGroup, out: WasmCode): void {
    for (let r = 1; r < 32; r++) if (dirty.x & (1 << r)) this.storeX(out, r);
    for (let r = 0; r < 32; r++) if (dirty.f & (1 << r)) this.storeF(out, r);
    out.get(LOCAL.HART);
    out.get(LOCAL.PC);
    if (relative) {
      out.get(LOCAL.BASE);
      out.op(OP.I64_ADD);
    }
    out.memory(OP.I64_STORE, 3, HART.pc);
    out.i32(0);
    out.get(LOCAL.LEFT);
    out.memory(OP.I32_STORE, 2, LEFT_AT);
    out.i32(leave);
    out.op(OP.RETURN);
  }

  /** The whole function. The body must not fall through its end. */
  finish(name: string): FunctionBody {
    const out = new WasmCode(this.code.length + 1024);
    const around = this.groups.length + this.exits.length;
    for (let i = 0; i < around; i++) out.open(OP.BLOCK);
    const prefix = out.length;
    out.append(this.code.bytes);
    out.op(OP.UNREACHABLE);
    this.exits.forEach((exit, k) => {
      out.end();
      if (exit.pc !== undefined) {
        // the base is added once for all: V8 would compute sums that several exits share where the function is entered
        out.i64(exit.pc);
        out.set(LOCAL.PC);
      }
      if (exit.unused !== 0) {
        out.get(LOCAL.LEFT);
        out.i32(exit.unused);
        out.op(OP.I32_ADD);
        out.set(LOCAL.LEFT);
      }
      out.branch(OP.BR, this.exits.length - 1 - k + exit.group);
    });
    for (const group of this.groups) {
      out.end();
      this.writeBack(group, out);
    }
    out.op(OP.UNREACHABLE);
    return {
      name,
      locals: [
        ...FIXED_LOCALS,
        [this.xCount, TYPE.I64],
        [this.fCount, TYPE.F64],
        [this.groupCount, TYPE.I32],
        [this.floats, TYPE.F64],
      ],
      code: out.bytes.slice(),
      unlikely: this.unlikely.map((at) => prefix + at),
    };
  }
}
