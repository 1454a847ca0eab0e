import { ALL_EXTENSIONS, extensionBit } from '../../../src/isa/decode.ts';
import type { EXTENSIONS } from '../../../src/isa/instruction.ts';
import { EXIT } from '../../../src/isa/layout.ts';
import { Bare, type CoreKind } from '../bare.ts';
import { COMPARED, RAM_SIZE } from './layout.ts';

const ABSENT = [
  'zicond',
  'zicbom',
  'zicboz',
  'zicbop',
  'zawrs',
] as const satisfies readonly (typeof EXTENSIONS)[number][];
/** The extensions that QEMU 7.2 has too. */
const EXTENSIONS_OF_QEMU = ABSENT.reduce((bits, name) => bits & ~extensionBit(name), ALL_EXTENSIONS);
const POWER_OFF = 0x10_0000;
const TIMER = 0x200_4000;

/** Runs images on a core as {@link ./qemu.ts!runQemu} does on QEMU. */
export class OracleCore {
  readonly bare: Bare;
  /** Instructions attempted so far. */
  ticks = 0;

  constructor(kind: CoreKind) {
    this.bare = new Bare(kind, RAM_SIZE, EXTENSIONS_OF_QEMU);
  }

  run(image: Uint8Array): Uint8Array {
    const { bare } = this;
    bare.ram.fill(0);
    bare.ram.set(image);
    bare.reset();
    let off = false;
    bare.outside = {
      read: () => undefined,
      write(address) {
        if (address === TIMER) return true;
        if (address !== POWER_OFF) return false;
        off = true;
        bare.machine32('attention', 1);
        return true;
      },
    };
    while (!off) {
      const exit = bare.run(1_000_000);
      if (exit !== EXIT.BUDGET && exit !== EXIT.REPLAN)
        throw new Error(`the core came back with ${exit} at pc ${bare.get('pc').toString(16)}`);
      if (bare.machine64('timeEnd') > 100_000_000n)
        throw new Error(
          `the image does not end: pc ${bare.get('pc').toString(16)}, prv ${bare.get('prv')}, mepc ${bare.get('mepc').toString(16)}, mcause ${bare.get('mcause').toString(16)}, scause ${bare.get('scause').toString(16)}, sepc ${bare.get('sepc').toString(16)}, stvec ${bare.get('stvec').toString(16)}, mstatus ${bare.get('mstatus').toString(16)}`,
        );
      bare.log = [];
    }
    this.ticks += Number(bare.machine64('timeEnd'));
    return bare.ram.slice(0, COMPARED);
  }
}
