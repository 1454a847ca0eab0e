import { fields, matches, u64 } from './bytes.ts';
import { formatSize, LoadError } from './load-error.ts';

/** A loadable segment: its bytes, then zeros up to `memorySize`. */
export interface ElfSegment {
  /** `p_paddr`. */
  readonly physical: number;
  /** `p_vaddr`; kernels are linked in the upper half of the address space, beyond what numbers keep exactly. */
  readonly virtual: bigint;
  readonly bytes: Uint8Array;
  readonly memorySize: number;
}

/** An ELF64 RISC-V program ready to be placed by physical address. */
export interface ElfProgram {
  /** `e_entry`: an address in one of the segments, as linked. */
  readonly entry: bigint;
  /** In the file's order; none is empty. */
  readonly segments: readonly ElfSegment[];
}

const HEADER_SIZE = 64;
const PROGRAM_HEADER_SIZE = 56;
const CLASS_64 = 2;
const LITTLE_ENDIAN = 1;
const TYPE = { relocatable: 1, executable: 2, shared: 3 } as const;
const PT_LOAD = 1;
const PT_INTERP = 3;
const MACHINE_RISCV = 243;

/** `e_machine` values that people meet. */
const MACHINES: Readonly<Record<number, string>> = {
  2: 'SPARC',
  3: 'i386',
  4: 'm68k',
  8: 'MIPS',
  20: 'PowerPC',
  21: 'ppc64',
  22: 's390x',
  40: '32-bit ARM',
  43: 'SPARC64',
  62: 'x86-64',
  183: 'aarch64',
  258: 'LoongArch',
};

export const isElf = (bytes: Uint8Array): boolean => matches(bytes, 0, '\x7fELF');

/** What a program that was built for something else should be replaced with. */
const BRING_RISCV = 'Bring one built for 64-bit RISC-V (ELF64, machine 243)';

/**
 * Reads an ELF64 little-endian RISC-V executable (System V ABI, "Object Files").
 * @throws LoadError for another class, byte order, machine or kind of file, and for headers or segments beyond the file's end
 */
export function readElf(file: string, bytes: Uint8Array): ElfProgram {
  const broken = (problem: string): LoadError => new LoadError(file, problem, 'Fetch or build the file again');
  if (bytes.length < HEADER_SIZE)
    throw broken(`an ELF file cut short: ${bytes.length} bytes, its header alone has ${HEADER_SIZE}`);
  const view = fields(bytes);
  const littleEndian = bytes[5] === LITTLE_ENDIAN;
  const machine = view.getUint16(18, littleEndian);
  const machineName = MACHINES[machine] ?? `machine ${machine}`;
  if (machine !== MACHINE_RISCV)
    throw new LoadError(file, `an ELF program for ${machineName}, not RISC-V`, BRING_RISCV);
  if (bytes[4] !== CLASS_64)
    throw new LoadError(file, 'a 32-bit RISC-V ELF program; the machine is 64-bit', BRING_RISCV);
  if (!littleEndian)
    throw new LoadError(file, 'a big-endian RISC-V ELF program; the machine is little-endian', BRING_RISCV);
  const type = view.getUint16(16, true);
  if (type === TYPE.relocatable) {
    throw new LoadError(
      file,
      'a RISC-V object file or kernel module, not a linked program',
      'Pass the linked kernel (vmlinux or Image)',
    );
  }
  if (type !== TYPE.executable && type !== TYPE.shared) {
    throw new LoadError(
      file,
      `an ELF file of type ${type}, not an executable`,
      'Pass the linked kernel (vmlinux or Image)',
    );
  }

  const table = u64(view, 32);
  const entrySize = view.getUint16(54, true);
  const count = view.getUint16(56, true);
  if (count > 0 && entrySize !== PROGRAM_HEADER_SIZE)
    throw broken(`an ELF file whose program headers have ${entrySize} bytes, expected ${PROGRAM_HEADER_SIZE}`);
  if (table + count * PROGRAM_HEADER_SIZE > bytes.length) {
    throw broken(
      `an ELF file cut short: its program headers end at ${table + count * PROGRAM_HEADER_SIZE}, the file at ${bytes.length}`,
    );
  }
  const segments: ElfSegment[] = [];
  for (let i = 0; i < count; i++) {
    const at = table + i * PROGRAM_HEADER_SIZE;
    const kind = view.getUint32(at, true);
    if (kind === PT_INTERP)
      throw new LoadError(
        file,
        'a RISC-V program for Linux (it asks for a dynamic linker), not a kernel',
        'Run it inside the guest',
      );
    if (kind !== PT_LOAD) continue;
    const segment = readSegment(bytes, view, at, (problem) =>
      broken(`an ELF file whose program header ${i} ${problem}`),
    );
    if (segment) segments.push(segment);
  }
  if (segments.length === 0)
    throw new LoadError(
      file,
      'an ELF file with nothing to load (no PT_LOAD segment)',
      'Pass the linked kernel (vmlinux or Image)',
    );
  return { entry: view.getBigUint64(24, true), segments };
}

function readSegment(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  broken: (problem: string) => LoadError,
): ElfSegment | undefined {
  const offset = u64(view, at + 8);
  const fileSize = u64(view, at + 32);
  const memorySize = u64(view, at + 40);
  if (fileSize > memorySize) throw broken(`holds more bytes (${fileSize}) than it takes in memory (${memorySize})`);
  if (offset + fileSize > bytes.length) {
    throw broken(
      `needs bytes ${offset} to ${offset + fileSize}, but the file ends at ${bytes.length} (${formatSize(bytes.length)}): it was cut short`,
    );
  }
  if (memorySize === 0) return undefined;
  return {
    virtual: view.getBigUint64(at + 16, true),
    physical: u64(view, at + 24),
    bytes: bytes.subarray(offset, offset + fileSize),
    memorySize,
  };
}
