import { disassemble } from '../../../isa/disassemble.ts';
import { PC } from '../../../machine/view/machine-view.ts';
import { readVirtual } from '../../../machine/view/virtual-memory.ts';
import type { LookedAt } from './looked-at.ts';

/** An instruction in memory. */
export interface CodeLine {
  readonly address: bigint;
  /** Its bits in hexadecimal, and its text. */
  readonly bits: string;
  readonly text: string;
  /** Where a jump or branch leads. */
  readonly target?: bigint;
  /** `name` where a function begins here. */
  readonly label?: string;
}

/** Code from an address on. */
export interface Code {
  readonly pc: bigint;
  readonly lines: readonly CodeLine[];
  /** `name+0x10` of where it begins. */
  readonly place?: string;
}

const LONGEST = 4;
/** Bytes that a function's beginning may lie before pc to be shown with it. */
const FARTHEST = 4096n;

/**
 * Instructions as the hart would execute them.
 * @param from where to begin; by default the function around pc, or pc itself @param count how many at most
 */
export function disassembly({ view, info }: LookedAt, hart: number, from: bigint | undefined, count: number): Code {
  const pc = view.readRegister(hart, PC) ?? 0n;
  const around = info.near(pc)?.start;
  const begin = from ?? (around !== undefined && pc - around <= FARTHEST ? around : pc);
  const place = info.name(begin);
  const bytes = readVirtual(view, hart, begin, count * LONGEST);
  const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const lines: CodeLine[] = [];
  for (let at = 0; at + 2 <= bytes.length && lines.length < count; ) {
    const half = data.getUint16(at, true);
    const long = (half & 3) === 3;
    if (long && at + 4 > bytes.length) break;
    const bits = long ? data.getUint32(at, true) : half;
    const address = begin + BigInt(at);
    const { text, target, length } = disassemble(bits, address, { symbol: (a) => info.name(a) });
    const near = info.near(address);
    lines.push({
      address,
      bits: bits.toString(16).padStart(length * 2, '0'),
      text,
      ...(target !== undefined && { target }),
      ...(near?.offset === 0 && { label: near.name }),
    });
    at += length;
  }
  return { pc, lines, ...(place !== undefined && { place }) };
}
