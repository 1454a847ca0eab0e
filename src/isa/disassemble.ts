import { ALL_EXTENSIONS, type Decoded, decode, isLong } from './decode.ts';
import { csrName, FLOAT_REGISTERS, INTEGER_REGISTERS } from './names.ts';
import { PSEUDO_INSTRUCTIONS, type Pseudo } from './pseudo.ts';

/** An instruction as text, in the syntax of the GNU tools. */
export interface Disassembled {
  /** Mnemonic and operands, e.g. `addi a0,a0,1`. */
  readonly text: string;
  readonly mnemonic: string;
  readonly operands: string;
  /** Bytes. */
  readonly length: 2 | 4;
  /** Where a jump or branch with a fixed target leads. */
  readonly target?: bigint;
  /** Its fields; undefined when illegal. */
  readonly decoded?: Decoded;
}

export interface DisassembleOptions {
  /** Extensions that are on, as in MACHINE.extensions; all by default. */
  readonly extensions?: number;
  /** Name of an address, shown after jump targets as `<name>`. */
  readonly symbol?: (address: bigint) => string | undefined;
  /** false: the tables' own names only, no pseudo-instructions. */
  readonly pseudo?: boolean;
}

/** Pseudo-instructions by row. */
const PSEUDO = new Map<string, Pseudo[]>();
for (const p of PSEUDO_INSTRUCTIONS) PSEUDO.set(p.row, [...(PSEUDO.get(p.row) ?? []), p]);

const ROUNDING = ['rne', 'rtz', 'rdn', 'rup', 'rmm'];
/** Widening conversions that cannot round: their rounding mode is not written. */
const EXACT = new Set(['fcvt.d.w', 'fcvt.d.wu', 'fcvt.d.s']);

/** The sets of a fence, e.g. `rw`. */
function fenceSet(bits: number): string {
  return ['i', 'o', 'r', 'w'].filter((_, i) => bits & (8 >> i)).join('') || '0';
}

const hex = (n: number): string => `0x${(n >>> 0).toString(16)}`;

function operand(token: string, d: Decoded, raw: number, target: bigint, symbol: DisassembleOptions['symbol']): string {
  switch (token) {
    case 'rd':
      return INTEGER_REGISTERS[d.rd];
    case 'rs1':
      return INTEGER_REGISTERS[d.rs1];
    case 'rs2':
      return INTEGER_REGISTERS[d.rs2];
    case 'fd':
      return FLOAT_REGISTERS[d.rd];
    case 'fs1':
      return FLOAT_REGISTERS[d.rs1];
    case 'fs2':
      return FLOAT_REGISTERS[d.rs2];
    case 'fs3':
      return FLOAT_REGISTERS[d.rs3];
    case 'imm':
      return d.row.format === 'U' ? hex(d.imm >>> 12) : String(d.imm);
    case 'prefetch':
      return String(d.imm & ~31);
    case 'shamt':
      return hex(d.imm);
    case 'csr':
      return csrName(d.imm);
    case 'uimm':
      return String(d.rs1);
    case 'fence':
      return `${fenceSet((raw >>> 24) & 15)},${fenceSet((raw >>> 20) & 15)}`;
    case 'target': {
      const name = symbol?.(target);
      return `${target.toString(16)}${name === undefined ? '' : ` <${name}>`}`;
    }
    default:
      throw new Error(`assembly operand "${token}" of ${d.row.name} is unknown: see src/isa/instruction.ts`);
  }
}

const illegal = (word: number, length: 2 | 4): Disassembled => {
  const mnemonic = length === 2 ? '.2byte' : '.4byte';
  if (length === 2 && word === 0) return { text: 'unimp', mnemonic: 'unimp', operands: '', length };
  return { text: `${mnemonic} ${hex(word)}`, mnemonic, operands: hex(word), length };
};

/**
 * One instruction as text.
 * @param word its 32 bits, or the 16 of a compressed one (the rest is ignored)
 * @param pc its address, for targets of jumps and branches
 */
export function disassemble(word: number, pc: bigint, options: DisassembleOptions = {}): Disassembled {
  const length = isLong(word) ? 4 : 2;
  const raw = length === 2 ? word & 0xffff : word >>> 0;
  const d = decode(word, options.extensions ?? ALL_EXTENSIONS);
  if (!d) return illegal(raw, length);
  const pseudo = options.pseudo === false ? undefined : PSEUDO.get(d.row.name)?.find((p) => p.when(d));
  let mnemonic = pseudo?.name ?? d.row.name;
  let syntax = pseudo?.syntax ?? d.row.syntax;
  if (d.row.format === 'AMO') mnemonic += ['', '.rl', '.aq', '.aqrl'][(raw >>> 25) & 3];
  if (d.row.rm && d.rm !== 7 && !(EXACT.has(d.row.name) && d.rm === 0)) syntax += `, ${ROUNDING[d.rm]}`;
  const target = BigInt.asUintN(64, pc + BigInt(d.imm));
  const operands = syntax
    .replaceAll(' ', '')
    .replace(/[a-z]+[0-9]?/g, (token) =>
      ROUNDING.includes(token) ? token : operand(token, d, raw, target, options.symbol),
    );
  const jumps = d.row.format === 'B' || d.row.format === 'J';
  return {
    text: operands === '' ? mnemonic : `${mnemonic} ${operands}`,
    mnemonic,
    operands,
    length,
    decoded: d,
    ...(jumps ? { target } : {}),
  };
}

/** An instruction with its address. */
export interface Listed extends Disassembled {
  readonly address: bigint;
  readonly word: number;
}

/**
 * Instructions from `address` on.
 * @param bytes what lies there; a last instruction that is cut off is left out
 * @param limit most instructions given
 */
export function disassembleRange(
  bytes: Uint8Array,
  address: bigint,
  limit = Infinity,
  options: DisassembleOptions = {},
): Listed[] {
  const out: Listed[] = [];
  for (let at = 0; at + 2 <= bytes.length && out.length < limit; ) {
    const half = bytes[at] | (bytes[at + 1] << 8);
    const length = isLong(half) ? 4 : 2;
    if (at + length > bytes.length) break;
    const word = length === 2 ? half : (half | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0;
    const here = BigInt.asUintN(64, address + BigInt(at));
    out.push({ ...disassemble(word, here, options), address: here, word });
    at += length;
  }
  return out;
}
