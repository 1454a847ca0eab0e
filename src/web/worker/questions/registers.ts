import { CSRS } from '../../../isa/csrs.ts';
import { FLOAT_REGISTERS, INTEGER_REGISTERS } from '../../../isa/names.ts';
import { CSR, F, PC, PRV, X } from '../../../machine/view/machine-view.ts';
import type { LookedAt } from './looked-at.ts';

/** A register and what is in it. */
export interface RegisterValue {
  readonly name: string;
  readonly value: bigint;
  /** For those that hold addresses of code: the symbol. */
  readonly symbol?: string;
}

/** Registers of a hart. */
export interface HartRegisters {
  readonly hart: number;
  /** U, S or M. */
  readonly privilege: string;
  readonly integer: readonly RegisterValue[];
  readonly float: readonly RegisterValue[];
  readonly csrs: readonly RegisterValue[];
}

/** CSRs that say what a hart is doing, in the order in which they are shown; the counters change with every instruction. */
const SHOWN_CSRS = [
  'sstatus',
  'stvec',
  'sepc',
  'scause',
  'stval',
  'sscratch',
  'satp',
  'sie',
  'sip',
  'scounteren',
  'senvcfg',
  'stimecmp',
  'mstatus',
  'medeleg',
  'mideleg',
  'mie',
  'mip',
  'fcsr',
  'instret',
  'time',
];
const NUMBERS = new Map(CSRS.filter(({ count }) => count === undefined).map(({ name, number }) => [name, number]));
const PRIVILEGES = ['U', 'S', '?', 'M'];
/** Registers whose values are often code: named where they are. */
const CODE = new Set(['pc', 'ra', 'sepc', 'stvec']);

/** All registers of a hart here. */
export function registers({ view, info }: LookedAt, hart: number): HartRegisters {
  const named = (name: string, value: bigint): RegisterValue => {
    const symbol = CODE.has(name) ? info.name(value) : undefined;
    return { name, value, ...(symbol !== undefined && { symbol }) };
  };
  const csrs = SHOWN_CSRS.flatMap((name) => {
    const number = NUMBERS.get(name);
    const value = number === undefined ? undefined : view.readRegister(hart, CSR(number));
    return value === undefined ? [] : [named(name, value)];
  });
  return {
    hart,
    privilege: PRIVILEGES[Number(view.readRegister(hart, PRV) ?? 0n)] ?? '?',
    integer: [
      named('pc', view.readRegister(hart, PC) ?? 0n),
      ...INTEGER_REGISTERS.map((name, i) => named(name, view.readRegister(hart, X(i)) ?? 0n)).slice(1),
    ],
    float: FLOAT_REGISTERS.map((name, i) => ({ name, value: view.readRegister(hart, F(i)) ?? 0n })),
    csrs,
  };
}
