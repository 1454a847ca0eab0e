import { Assembler } from '../jit/assembler.ts';

const [ZERO, RA, , , , T0, T1, T2, S0, S1, A0, A1, A2] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
const [A6, A7, S2, S3, S4, S5, S6, T3, T4, T5] = [16, 17, 18, 19, 20, 21, 22, 28, 29, 30];
const CSR = { sie: 0x104, sstatus: 0x100, stvec: 0x105, time: 0xc01 } as const;
const UART = 0x1000_0000;
const RTC_PAGE = 0x0010_1000;
const TIME = 0x5449_4d45;
const HSM = 0x48_534d;
const SRST = 0x5352_5354;

/** Places in the guest's memory, physical and virtual alike. */
export const TINY = {
  /** Where harts count together without care: additions get lost. */
  racy: 0x8030_0000,
  /** Where they count with atomic additions. */
  atomic: 0x8030_0008,
  /** Timer interrupts taken. */
  ticks: 0x8030_0010,
  /** The last reading of the wall clock. */
  clock: 0x8030_0018,
  /** 256 KiB written at random. */
  scratch: 0x8031_0000,
} as const;

export interface TinyOptions {
  /** Rounds each hart makes before it powers off or stops; 0: until told. */
  readonly rounds?: number;
}

/** The header of a Linux Image (Documentation/arch/riscv/boot-image-header.rst); the program begins at its label `start`. */
export function beginImage(): Assembler {
  const a = new Assembler();
  a.to('jal', { rd: ZERO }, 'start');
  a.word(0);
  for (const value of [0x20_0000, 0, 0x1_0000, 0, 0, 0, 2, 0, 0, 0, 0, 0]) a.word(value);
  a.word(0x0543_5352); // RSC\x05
  a.word(0);
  return a;
}

/**
 * A guest without a system, as a Linux Image: every hart counts, writes at random and sleeps by turns; hart 0 echoes its serial port.
 * `q` powers off, `r` reboots, `d` reads the wall clock.
 */
export function tinyGuest({ rounds = 0 }: TinyOptions = {}): Uint8Array {
  const a = beginImage();

  const sbi = (extension: number, fid: number): void => {
    a.li(A7, extension);
    a.li(A6, fid);
    a.op('ecall');
  };
  a.label('start');
  a.op('addi', { rd: S0, rs1: A0, imm: 0 }); // hart
  a.to('bne', { rs1: S0, rs2: ZERO }, 'hart');
  // start the others: until there is no such hart
  a.op('addi', { rd: S1, rs1: ZERO, imm: 1 });
  a.label('next');
  a.op('addi', { rd: A0, rs1: S1, imm: 0 });
  a.la(A1, 'start');
  a.op('addi', { rd: A2, rs1: ZERO, imm: 0 });
  sbi(HSM, 0);
  a.op('addi', { rd: S1, rs1: S1, imm: 1 });
  a.to('beq', { rs1: A0, rs2: ZERO }, 'next');

  a.label('hart');
  a.la(T0, 'trap');
  a.op('csrrw', { rd: ZERO, rs1: T0, imm: CSR.stvec });
  a.op('addi', { rd: T0, rs1: ZERO, imm: 0x20 });
  a.op('csrrw', { rd: ZERO, rs1: T0, imm: CSR.sie });
  a.op('csrrsi', { rd: ZERO, rs1: 2, imm: CSR.sstatus });
  a.li(S2, TINY.racy >> 1);
  a.op('slli', { rd: S2, rs1: S2, imm: 33 });
  a.op('srli', { rd: S2, rs1: S2, imm: 32 });
  a.li(S3, UART);
  a.op('addi', { rd: S4, rs1: S0, imm: 77 }); // random
  a.li(S5, 1_103_515_245);
  a.op('addi', { rd: S6, rs1: ZERO, imm: 0 }); // rounds

  a.label('round');
  a.op('addi', { rd: S6, rs1: S6, imm: 1 });
  // count with and without care
  a.op('ld', { rd: T0, rs1: S2, imm: 0 });
  a.op('addi', { rd: T0, rs1: T0, imm: 1 });
  a.op('sd', { rs1: S2, rs2: T0, imm: 0 });
  a.op('addi', { rd: T1, rs1: S2, imm: TINY.atomic - TINY.racy });
  a.op('addi', { rd: T2, rs1: ZERO, imm: 1 });
  a.op('amoadd.d', { rd: ZERO, rs1: T1, rs2: T2 });
  // write at random
  a.op('mul', { rd: S4, rs1: S4, rs2: S5 });
  a.op('addi', { rd: S4, rs1: S4, imm: 1234 });
  a.op('srli', { rd: T0, rs1: S4, imm: 20 });
  a.li(T1, 0x3_fff8);
  a.op('and', { rd: T0, rs1: T0, rs2: T1 });
  a.li(T2, TINY.scratch - TINY.racy);
  a.op('add', { rd: T0, rs1: T0, rs2: T2 });
  a.op('add', { rd: T0, rs1: T0, rs2: S2 });
  a.op('sd', { rs1: T0, rs2: S4, imm: 0 });
  if (rounds > 0) {
    a.li(T0, rounds);
    a.to('blt', { rs1: S6, rs2: T0 }, 'more');
    a.to('beq', { rs1: S0, rs2: ZERO }, 'off');
    sbi(HSM, 1);
    a.label('more');
  }
  a.to('bne', { rs1: S0, rs2: ZERO }, 'sleepy');
  // the serial port
  a.op('lbu', { rd: T0, rs1: S3, imm: 5 });
  a.op('andi', { rd: T0, rs1: T0, imm: 1 });
  a.to('beq', { rs1: T0, rs2: ZERO }, 'sleepy');
  a.op('lbu', { rd: T0, rs1: S3, imm: 0 });
  a.op('sb', { rs1: S3, rs2: T0, imm: 0 });
  for (const [letter, label] of [
    ['q', 'off'],
    ['r', 'reboot'],
    ['d', 'date'],
  ] as const) {
    a.op('addi', { rd: T1, rs1: ZERO, imm: letter.charCodeAt(0) });
    a.to('beq', { rs1: T0, rs2: T1 }, label);
  }
  a.to('jal', { rd: ZERO }, 'round');

  a.label('date');
  a.li(T0, RTC_PAGE);
  a.op('lwu', { rd: T1, rs1: T0, imm: 0 });
  a.op('lwu', { rd: T2, rs1: T0, imm: 4 });
  a.op('slli', { rd: T2, rs1: T2, imm: 32 });
  a.op('or', { rd: T1, rs1: T1, rs2: T2 });
  a.op('sd', { rs1: S2, rs2: T1, imm: TINY.clock - TINY.racy });
  a.to('jal', { rd: ZERO }, 'round');

  a.label('reboot');
  a.op('addi', { rd: A0, rs1: ZERO, imm: 1 });
  a.op('addi', { rd: A1, rs1: ZERO, imm: 0 });
  sbi(SRST, 0);
  a.label('off');
  a.op('addi', { rd: A0, rs1: ZERO, imm: 0 });
  a.op('addi', { rd: A1, rs1: ZERO, imm: 0 });
  sbi(SRST, 0);

  // every 64th round sleep for some ticks of the clock
  a.label('sleepy');
  a.op('andi', { rd: T0, rs1: S6, imm: 63 });
  a.to('bne', { rs1: T0, rs2: ZERO }, 'round');
  a.op('csrrs', { rd: T0, rs1: ZERO, imm: CSR.time });
  a.op('andi', { rd: T1, rs1: S4, imm: 511 });
  a.op('add', { rd: A0, rs1: T0, rs2: T1 });
  a.op('addi', { rd: A0, rs1: A0, imm: 50 });
  sbi(TIME, 0);
  a.op('wfi');
  a.to('jal', { rd: ZERO }, 'round');

  a.align(4);
  a.label('trap');
  a.op('addi', { rd: T3, rs1: A0, imm: 0 });
  a.op('addi', { rd: T4, rs1: A7, imm: 0 });
  a.op('addi', { rd: T5, rs1: A6, imm: 0 });
  a.op('addi', { rd: RA, rs1: S2, imm: TINY.ticks - TINY.racy });
  a.op('addi', { rd: A0, rs1: ZERO, imm: 1 });
  a.op('amoadd.d', { rd: ZERO, rs1: RA, rs2: A0 });
  a.op('addi', { rd: A0, rs1: ZERO, imm: -1 });
  sbi(TIME, 0);
  a.op('addi', { rd: A0, rs1: T3, imm: 0 });
  a.op('addi', { rd: A7, rs1: T4, imm: 0 });
  a.op('addi', { rd: A6, rs1: T5, imm: 0 });
  a.op('sret');
  return a.finish();
}
