import { evaluateNumber, LocationError } from './expression.ts';
import { DwarfReader } from './reader.ts';

/** What a frame's caller is found from. */
export interface FrameRegisters {
  /** By DWARF's number; undefined where it is not known. */
  readonly register: (number: number) => bigint | undefined;
  readonly read: (address: bigint, length: number) => Uint8Array;
}

/** A caller's registers. */
export interface UnwoundFrame {
  readonly pc: bigint;
  readonly cfa: bigint;
  /** Registers of the caller that are known. Those that nothing is said of are the callee's, as gdb has it. */
  readonly registers: ReadonlyMap<number, bigint>;
  /** What was unwound is a signal's frame: the pc of the caller is where it was interrupted. */
  readonly signal: boolean;
}

interface CommonEntry {
  readonly codeAlign: bigint;
  readonly dataAlign: bigint;
  readonly returnRegister: number;
  readonly signal: boolean;
  readonly encoding: number;
  readonly augmented: boolean;
  readonly instructions: Uint8Array;
}

interface DescriptionEntry {
  readonly common: CommonEntry;
  readonly low: bigint;
  readonly high: bigint;
  readonly instructions: Uint8Array;
}

type Rule =
  | { readonly kind: 'undefined' | 'same' }
  | { readonly kind: 'offset' | 'valueOffset'; readonly offset: bigint }
  | { readonly kind: 'register'; readonly number: number }
  | { readonly kind: 'expression' | 'valueExpression'; readonly expression: Uint8Array };

type CfaRule = { readonly register: number; readonly offset: bigint } | { readonly expression: Uint8Array };

interface Row {
  cfa: CfaRule | undefined;
  rules: Map<number, Rule>;
}

const SP = 2;
const MOST_ENTRIES = 2_000_000;
const MOST_INSTRUCTIONS = 100_000;
const MOST_REMEMBERED = 64;
/** Pointer encodings (Linux Standard Base, "DWARF Exception Header Encoding"). */
const PE = { omit: 0xff, pcrel: 0x10, indirect: 0x80 } as const;
/** Registers whose values are followed through frames: x0 to x31, f0 to f31. */
const FOLLOWED = 64;

/** Call frame information of one file (DWARF 5, section 6.4; `.eh_frame` as in the Linux Standard Base). */
export class CallFrames {
  private readonly descriptions: DescriptionEntry[] = [];

  /** @param frame `.debug_frame` @param ehFrame `.eh_frame` @param ehAddress address of that in the file. What is malformed ends the reading: what came before is kept. */
  constructor(frame: Uint8Array | undefined, ehFrame: Uint8Array | undefined, ehAddress = 0n) {
    if (frame) this.readSection(frame, false, 0n);
    if (ehFrame) this.readSection(ehFrame, true, ehAddress);
    this.descriptions.sort((a, b) => (a.low < b.low ? -1 : a.low > b.low ? 1 : 0));
  }

  /** Whether the code at an address of the file is described. */
  covers(pc: bigint): boolean {
    return this.find(pc) !== undefined;
  }

  /** First address of what is described together with an address, mostly a function. */
  start(pc: bigint): bigint | undefined {
    return this.find(pc)?.low;
  }

  /** The canonical frame address at a pc of the file. */
  cfa(pc: bigint, frame: FrameRegisters, bias: bigint): bigint | undefined {
    const found = this.find(pc);
    const row = found && rowAt(found, pc);
    return row && cfaOf(row, frame, bias);
  }

  /** The frame that called the one whose pc, as an address of the file, is given; undefined where this is not described, or it is the outermost. */
  unwind(pc: bigint, frame: FrameRegisters, bias: bigint): UnwoundFrame | undefined {
    const found = this.find(pc);
    const row = found && rowAt(found, pc);
    const cfa = row && cfaOf(row, frame, bias);
    if (!found || !row || cfa === undefined) return undefined;
    const registers = new Map<number, bigint>();
    for (let n = 1; n < FOLLOWED; n++) {
      const v = recover(row.rules.get(n), n, cfa, frame, bias);
      if (v !== undefined) registers.set(n, v);
    }
    if (!row.rules.has(SP)) registers.set(SP, cfa);
    const { returnRegister, signal } = found.common;
    if (row.rules.get(returnRegister)?.kind === 'undefined') return undefined;
    const next = recover(row.rules.get(returnRegister), returnRegister, cfa, frame, bias);
    return next === undefined ? undefined : { pc: next, cfa, registers, signal };
  }

  private find(pc: bigint): DescriptionEntry | undefined {
    let low = 0;
    let high = this.descriptions.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.descriptions[middle].low <= pc) low = middle + 1;
      else high = middle;
    }
    const found = this.descriptions[low - 1];
    return found !== undefined && pc < found.high ? found : undefined;
  }

  private readSection(section: Uint8Array, eh: boolean, address: bigint): void {
    const r = new DwarfReader(section, eh ? '.eh_frame' : '.debug_frame');
    const commons = new Map<number, CommonEntry>();
    try {
      while (r.remaining >= 4 && this.descriptions.length < MOST_ENTRIES) {
        const { end, wide } = r.initialLength();
        if (end === r.at) {
          // The end of one file's part; others may follow after padding.
          if (eh) continue;
          break;
        }
        const idAt = r.at;
        const id = r.offsetOf(eh ? false : wide);
        const isCommon = eh ? id === 0 : id === 0xffff_ffff || id === Number(0xffff_ffff_ffff_ffffn);
        if (!isCommon) {
          const at = eh ? idAt - id : id;
          const common = commons.get(at) ?? readCommon(section, at, eh);
          commons.set(at, common);
          const d = readDescription(r, end, common, eh ? address : undefined, section);
          if (d && d.high > d.low) this.descriptions.push(d);
        }
        r.at = end;
      }
    } catch (e) {
      if (!(e instanceof RangeError)) throw e;
    }
  }
}

function readCommon(section: Uint8Array, at: number, eh: boolean): CommonEntry {
  const r = new DwarfReader(section, 'a common information entry', at);
  const { end, wide } = r.initialLength();
  r.offsetOf(eh ? false : wide);
  const version = r.u8();
  const augmentation = r.textToNul();
  if (version >= 4) r.skip(2); // sizes of addresses and segment selectors
  const codeAlign = r.uleb64();
  const dataAlign = r.sleb64();
  const returnRegister = version === 1 ? r.u8() : r.uleb();
  let encoding = 0;
  let signal = false;
  const augmented = augmentation.startsWith('z');
  if (augmented) {
    const length = r.uleb();
    const after = r.at + length;
    for (const c of augmentation.slice(1)) {
      if (c === 'R') encoding = r.u8();
      else if (c === 'L') r.u8();
      else if (c === 'P') encoded(r, r.u8(), 0n);
      else if (c === 'S') signal = true;
      else break;
    }
    r.at = after;
  }
  return { codeAlign, dataAlign, returnRegister, signal, encoding, augmented, instructions: r.view(end - r.at) };
}

function readDescription(
  r: DwarfReader,
  end: number,
  common: CommonEntry,
  ehAddress: bigint | undefined,
  section: Uint8Array,
): DescriptionEntry | undefined {
  const { encoding } = common;
  const low = ehAddress === undefined ? r.u64() : encoded(r, encoding, ehAddress);
  const length = ehAddress === undefined ? r.u64() : encoded(r, encoding & 0x0f, 0n);
  if (low === undefined || length === undefined) return undefined;
  if (common.augmented) r.skip(r.uleb());
  return { common, low, high: low + length, instructions: section.subarray(r.at, end) };
}

/** A pointer in one of the encodings; undefined where it is left out. */
function encoded(r: DwarfReader, encoding: number, section: bigint): bigint | undefined {
  if (encoding === PE.omit) return undefined;
  const at = section + BigInt(r.at);
  const value = (): bigint => {
    switch (encoding & 0x0f) {
      case 0x01:
        return r.uleb64();
      case 0x02:
        return BigInt(r.u16());
      case 0x03:
        return BigInt(r.u32());
      case 0x09:
        return r.sleb64();
      case 0x0a:
        return BigInt.asIntN(16, BigInt(r.u16()));
      case 0x0b:
        return BigInt.asIntN(32, BigInt(r.u32()));
      case 0x00:
      case 0x04:
      case 0x0c:
        return r.u64();
      default:
        throw new RangeError(`.eh_frame: pointer encoding 0x${encoding.toString(16)} is not known`);
    }
  };
  const v = value();
  return BigInt.asUintN(64, (encoding & 0x70) === PE.pcrel ? v + at : v);
}

/** The rules that hold at a pc. @returns undefined when the instructions are malformed */
function rowAt({ common, low, instructions }: DescriptionEntry, pc: bigint): Row | undefined {
  const row: Row = { cfa: undefined, rules: new Map() };
  try {
    execute(row, common.instructions, common, low, pc, undefined);
    const initial = new Map(row.rules);
    execute(row, instructions, common, low, pc, initial);
    return row;
  } catch (e) {
    if (e instanceof RangeError) return undefined;
    throw e;
  }
}

function execute(
  row: Row,
  instructions: Uint8Array,
  { codeAlign, dataAlign }: CommonEntry,
  low: bigint,
  pc: bigint,
  initial: ReadonlyMap<number, Rule> | undefined,
): void {
  const r = new DwarfReader(instructions, 'call frame instructions');
  const remembered: Row[] = [];
  let at = low;
  const offset = (number: number, o: bigint): void => void row.rules.set(number, { kind: 'offset', offset: o });
  const restore = (number: number): void => {
    const rule = initial?.get(number);
    if (rule) row.rules.set(number, rule);
    else row.rules.delete(number);
  };
  const cfa = (): { register: number; offset: bigint } => {
    // Assemblers for RISC-V set only the register where the offset is 0.
    const known = row.cfa ?? { register: SP, offset: 0n };
    if (!('register' in known)) throw new RangeError('a part of a frame address is changed that has no parts');
    return known;
  };
  for (let steps = 0; r.remaining > 0; steps++) {
    if (steps > MOST_INSTRUCTIONS) throw new RangeError('call frame instructions do not end');
    const op = r.u8();
    const low6 = op & 0x3f;
    switch (op >> 6) {
      case 1:
        at += BigInt(low6) * codeAlign;
        if (at > pc) return;
        continue;
      case 2:
        offset(low6, r.uleb64() * dataAlign);
        continue;
      case 3:
        restore(low6);
        continue;
    }
    switch (op) {
      case 0x00:
        break;
      case 0x01:
        at = r.u64();
        break;
      case 0x02:
        at += BigInt(r.u8()) * codeAlign;
        break;
      case 0x03:
        at += BigInt(r.u16()) * codeAlign;
        break;
      case 0x04:
        at += BigInt(r.u32()) * codeAlign;
        break;
      case 0x05:
        offset(r.uleb(), r.uleb64() * dataAlign);
        break;
      case 0x06:
        restore(r.uleb());
        break;
      case 0x07:
        row.rules.set(r.uleb(), { kind: 'undefined' });
        break;
      case 0x08:
        row.rules.set(r.uleb(), { kind: 'same' });
        break;
      case 0x09:
        row.rules.set(r.uleb(), { kind: 'register', number: r.uleb() });
        break;
      case 0x0a:
        if (remembered.length >= MOST_REMEMBERED) throw new RangeError('too many states are remembered');
        remembered.push({ cfa: row.cfa, rules: new Map(row.rules) });
        break;
      case 0x0b: {
        const last = remembered.pop();
        if (last === undefined) throw new RangeError('no state was remembered');
        row.cfa = last.cfa;
        row.rules = last.rules;
        break;
      }
      case 0x0c:
        row.cfa = { register: r.uleb(), offset: r.uleb64() };
        break;
      case 0x0d:
        row.cfa = { register: r.uleb(), offset: cfa().offset };
        break;
      case 0x0e:
        row.cfa = { register: cfa().register, offset: r.uleb64() };
        break;
      case 0x0f:
        row.cfa = { expression: r.view(r.uleb()) };
        break;
      case 0x10:
        row.rules.set(r.uleb(), { kind: 'expression', expression: r.view(r.uleb()) });
        break;
      case 0x11:
        offset(r.uleb(), r.sleb64() * dataAlign);
        break;
      case 0x12:
        row.cfa = { register: r.uleb(), offset: r.sleb64() * dataAlign };
        break;
      case 0x13:
        row.cfa = { register: cfa().register, offset: r.sleb64() * dataAlign };
        break;
      case 0x14:
        row.rules.set(r.uleb(), { kind: 'valueOffset', offset: r.uleb64() * dataAlign });
        break;
      case 0x15:
        row.rules.set(r.uleb(), { kind: 'valueOffset', offset: r.sleb64() * dataAlign });
        break;
      case 0x16:
        row.rules.set(r.uleb(), { kind: 'valueExpression', expression: r.view(r.uleb()) });
        break;
      case 0x2e: // GNU_args_size
        r.uleb();
        break;
      default:
        throw new RangeError(`call frame instruction 0x${op.toString(16)} is not known`);
    }
    if (at > pc) return;
  }
}

function cfaOf({ cfa }: Row, frame: FrameRegisters, bias: bigint): bigint | undefined {
  if (cfa === undefined) return undefined;
  if ('expression' in cfa) return number(cfa.expression, frame, bias);
  const base = frame.register(cfa.register);
  return base === undefined ? undefined : BigInt.asUintN(64, base + cfa.offset);
}

function number(expression: Uint8Array, frame: FrameRegisters, bias: bigint, pushed?: bigint): bigint | undefined {
  try {
    return evaluateNumber(expression, undefined, { bias, read: frame.read, register: frame.register }, pushed);
  } catch (e) {
    if (e instanceof LocationError || e instanceof RangeError) return undefined;
    throw e;
  }
}

/** A register of the caller. */
function recover(
  rule: Rule | undefined,
  n: number,
  cfa: bigint,
  frame: FrameRegisters,
  bias: bigint,
): bigint | undefined {
  const load = (address: bigint): bigint | undefined => {
    const bytes = frame.read(BigInt.asUintN(64, address), 8);
    return bytes.length < 8 ? undefined : new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  };
  if (rule === undefined || rule.kind === 'same') return frame.register(n);
  switch (rule.kind) {
    case 'offset':
      return load(cfa + rule.offset);
    case 'valueOffset':
      return BigInt.asUintN(64, cfa + rule.offset);
    case 'register':
      return frame.register(rule.number);
    case 'expression': {
      const at = number(rule.expression, frame, bias, cfa);
      return at === undefined ? undefined : load(at);
    }
    case 'valueExpression':
      return number(rule.expression, frame, bias, cfa);
    default:
      return undefined;
  }
}
