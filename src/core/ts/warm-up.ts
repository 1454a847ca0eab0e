import { ALL_EXTENSIONS } from '../../isa/decode.ts';
import { assemble } from '../../isa/encode.ts';
import type { Instruction } from '../../isa/instruction.ts';
import { INSTRUCTIONS } from '../../isa/instructions.ts';
import { HART, hartAt, MACHINE, MACHINE_AT, MIN_RAM, RAM_AT, RAM_BASE, ramTables } from '../../isa/layout.ts';
import type { Core, CoreHost } from '../core.ts';

/**
 * A just-in-time compiler drops the optimised run loop, and starts over, whenever an instruction is met that it has seen no example of.
 * With some 150 of them in one function that would cost a guest's first seconds most of their speed. So before the first machine runs,
 * every row is executed a few times, with operands that take every way through it, on a small machine that is then thrown away.
 */

const CODE = 0x4000;
const DATA = 0x8000;
const HANDLER = 0x1000;
/** Where the throw-away machine has a device. */
const DEVICE = 0x1000_0000;
const FS_ON = 0x2000;
/** Pairs of pairs: low and high halves of two operands. */
const OPERANDS = [
  [1, 0, 2, 0],
  [2, 0, 1, 0],
  [-1, -1, 33, 0],
  [7, 0, 7, 0],
  [-5, -1, -40, -1],
  [0, 0, 0, 0],
  [0x7654321f, 0x7edcba98, 0x89abcdef, -0x7edcba98],
  [1, 1, 2, 0],
] as const;
const IMMEDIATES: Partial<Record<Instruction['format'], readonly number[]>> = {
  I: [3, -7],
  S: [0],
  B: [8, -4096],
  U: [4096],
  J: [8, 8192],
  shift64: [3, 40],
  shift32: [3],
};
/** Offsets of addresses: twice plain (the second finds the translation kept), misaligned, over the page's end. */
const PLACES = [0, 0, 1, 4093];

/** Executes every row on a machine of its own. @param create makes a core */
export function warmUp(create: (memory: ArrayBuffer, host: CoreHost) => Core): void {
  const memory = new ArrayBuffer(ramTables(MIN_RAM).end);
  const view = new DataView(memory);
  const hart = hartAt(0);
  const u64 = (at: number, lo: number, hi = lo < 0 ? -1 : 0): void => {
    view.setInt32(at, lo, true);
    view.setInt32(at + 4, hi, true);
  };
  u64(MACHINE_AT + MACHINE.ramSize, MIN_RAM);
  u64(MACHINE_AT + MACHINE.extensions, ALL_EXTENSIONS);
  u64(hart + HART.mtvec, RAM_BASE + HANDLER, 0);
  u64(hart + HART.reservation, -1);
  const core = create(memory, {
    mmioRead: () => true,
    mmioWrite: () => true,
    pointMet: () => false,
    pageAbsent: () => {},
  });

  const place = (at: number, word: number): void => {
    view.setInt32(RAM_AT + at, word, true);
    core.ramChanged(at, 4);
  };
  const execute = (
    word: number,
    a: number,
    aHi: number,
    b: number,
    bHi = 0,
    status = FS_ON,
    at = CODE,
    ticks = 2,
  ): void => {
    place(at, word);
    u64(hart + HART.pc, RAM_BASE + at, 0);
    u64(hart + HART.mstatus, status, 0);
    view.setInt32(hart + HART.prv, 3, true);
    u64(hart + HART.x + 8 * 6, a, aHi);
    u64(hart + HART.x + 8 * 7, b, bHi);
    core.run(0, ticks);
  };

  // after each instruction, and in the trap handler, one that does nothing
  const nothing = INSTRUCTIONS.find((row) => row.name === 'addi')!;
  for (const at of [HANDLER, CODE + 4, CODE + 8, CODE - 4096, CODE + 8192]) place(at, assemble(nothing));

  for (const row of INSTRUCTIONS) {
    const { kind } = row.statement;
    const touches = kind === 'load' || kind === 'store' || kind === 'amo';
    for (const imm of touches ? [0] : (IMMEDIATES[row.format] ?? [0])) {
      const word = assemble(row, { rd: 5, rs1: 6, rs2: 7, rs3: 8, imm });
      if (touches) {
        for (const offset of PLACES) execute(word, RAM_BASE + DATA + offset, 0, 1);
        execute(word, DEVICE, 0, 1);
        execute(word, DEVICE + 1, 0, 1);
        execute(word, -8, -1, 1);
      } else if (kind === 'jump') {
        for (const target of [CODE + 8, CODE - 4096, CODE - 4096]) execute(word, RAM_BASE + target, 0, 0);
      } else if (kind !== 'call') {
        for (const [a, aHi, b, bHi] of OPERANDS) execute(word, a, aHi, b, bHi);
      }
      if (row.fp) execute(word, RAM_BASE + DATA, 0, 1, 0, 0);
    }
  }
  // the end of a page, an instruction over two pages, an illegal one, and a little of everything that leaves the loop
  place(CODE + 4096, assemble(nothing));
  execute(assemble(nothing), 0, 0, 0, 0, FS_ON, CODE + 4092, 2);
  execute(assemble(nothing), 0, 0, 0, 0, FS_ON, CODE + 4094, 1);
  execute(0, 0, 0, 0);
  for (const name of ['csrrs', 'ecall', 'fence', 'sfence.vma'])
    execute(
      assemble(INSTRUCTIONS.find((row) => row.name === name)!, { rd: 5, imm: name === 'csrrs' ? 0x300 : 0 }),
      0,
      0,
      0,
    );
}
