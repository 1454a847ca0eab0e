import { KERNEL_OFFSET, RAM_BASE } from '../board/memory-map.ts';
import { fields, matches, u64 } from './bytes.ts';
import { unpackFile } from './compressed.ts';
import { type ElfProgram, isElf, readElf } from './elf.ts';
import { recogniseForeign } from './foreign.ts';
import { formatAddress, LoadError } from './load-error.ts';

/** Bytes at a physical address, followed by zeros up to `memorySize`. */
export interface ImageSegment {
  readonly address: number;
  readonly bytes: Uint8Array;
  readonly memorySize: number;
  /** To be called before bytes are looked at that are not read yet; left out, all are there. */
  readonly ready?: ReadyBytes;
}

/** Has part of some bytes read that are read where they are needed. @throws system errors */
export type ReadyBytes = (offset: number, length: number) => void;

/** A kernel or firmware: what goes where, and where it begins. */
export interface BootImage {
  /** The file as the user named it. */
  readonly file: string;
  readonly format: 'linux' | 'elf' | 'raw';
  readonly segments: readonly ImageSegment[];
  /** Physical address of the first instruction. */
  readonly entry: number;
}

const LINUX_HEADER_SIZE = 64;
const LINUX_MAGIC_AT = 0x38;
const LINUX_MAGIC = 'RSC\x05';
const PE_MACHINE_RISCV64 = 0x5064;
const BRING_KERNEL =
  'Bring a 64-bit RISC-V kernel: a Linux Image (Debian names it vmlinux-*-riscv64) or an ELF program';

/** Whether `bytes` begin like a Linux kernel Image for RISC-V (Linux, Documentation/arch/riscv/boot-image-header). */
export const isLinuxImage = (bytes: Uint8Array): boolean => matches(bytes, LINUX_MAGIC_AT, LINUX_MAGIC);

/**
 * Reads a kernel file: a Linux Image or an ELF64 program, either also gzip-compressed or as an EFI zboot file.
 * @param file the name to use in errors
 * @param limit bytes after which unpacking stops: the machine's RAM
 * @throws LoadError saying what the file is instead, or what is wrong with it
 */
export async function loadKernel(file: string, bytes: Uint8Array, limit: number): Promise<BootImage> {
  return readKernel(file, await unpackFile(file, bytes, limit));
}

/** {@link loadKernel} for a file that is not compressed. */
export function readKernel(file: string, bytes: Uint8Array): BootImage {
  refuseEmpty(file, bytes);
  if (isElf(bytes)) return placeElf(file, readElf(file, bytes), RAM_BASE + KERNEL_OFFSET);
  if (isLinuxImage(bytes)) return readLinuxImage(file, bytes);
  const foreign = recogniseForeign(bytes);
  if (foreign) throw new LoadError(file, `${foreign.what}, not a RISC-V kernel`, foreign.advice ?? BRING_KERNEL);
  if (bytes.length < LINUX_HEADER_SIZE)
    throw new LoadError(file, `${bytes.length} bytes are too few for a kernel`, BRING_KERNEL);
  throw new LoadError(file, 'neither a Linux Image ("RSC\\x05" at offset 56) nor an ELF program', BRING_KERNEL);
}

/**
 * Reads M-mode firmware: an ELF64 program, or a raw binary that runs at the beginning of RAM (OpenSBI's fw_*.bin).
 * @throws LoadError when it is recognised as something else
 */
export function readFirmware(file: string, bytes: Uint8Array): BootImage {
  refuseEmpty(file, bytes);
  const advice = 'Bring M-mode firmware for RISC-V, such as fw_dynamic.bin of the opensbi package';
  if (isElf(bytes)) return placeElf(file, readElf(file, bytes), RAM_BASE);
  if (isLinuxImage(bytes)) throw new LoadError(file, 'a Linux kernel, not firmware', 'Pass it with --kernel');
  const foreign = recogniseForeign(bytes);
  if (foreign) throw new LoadError(file, `${foreign.what}, not firmware`, foreign.advice ?? advice);
  return { file, format: 'raw', segments: [{ address: RAM_BASE, bytes, memorySize: bytes.length }], entry: RAM_BASE };
}

function refuseEmpty(file: string, bytes: Uint8Array): void {
  if (bytes.length === 0) throw new LoadError(file, 'the file is empty', 'Fetch or build it again');
}

function readLinuxImage(file: string, bytes: Uint8Array): BootImage {
  if (bytes.length < LINUX_HEADER_SIZE) {
    throw new LoadError(file, `a Linux kernel cut short after ${bytes.length} bytes`, 'Fetch or build the file again');
  }
  const view = fields(bytes);
  const textOffset = u64(view, 8);
  const imageSize = u64(view, 16);
  if ((bytes[24]! & 1) !== 0)
    throw new LoadError(file, 'a big-endian RISC-V kernel; the machine is little-endian', BRING_KERNEL);
  checkPe(file, bytes, view);
  const address = RAM_BASE + textOffset;
  // Zero in image_size means a kernel from before the field was filled in.
  const memorySize = Math.max(imageSize, bytes.length);
  return { file, format: 'linux', segments: [{ address, bytes, memorySize }], entry: address };
}

/**
 * A kernel with an EFI stub is a PE file too, whose section table tells the word size and how long the file must be (PE format,
 * "COFF File Header" and "Section Table"). The kernel's own header says neither.
 */
function checkPe(file: string, bytes: Uint8Array, view: DataView): void {
  if (!matches(bytes, 0, 'MZ')) return;
  const again = 'Fetch or build the file again';
  const cut = (needed: number): LoadError =>
    new LoadError(
      file,
      `a Linux kernel cut short: it should have ${needed} bytes at least, the file has ${bytes.length}`,
      again,
    );
  const pe = view.getUint32(60, true);
  if (pe + 24 > bytes.length) throw cut(pe + 24);
  if (!matches(bytes, pe, 'PE\0\0')) return;
  const machine = view.getUint16(pe + 4, true);
  if (machine !== PE_MACHINE_RISCV64) {
    throw new LoadError(
      file,
      `a kernel for another machine (PE machine ${formatAddress(machine)}), expected 64-bit RISC-V`,
      BRING_KERNEL,
    );
  }
  const sections = pe + 24 + view.getUint16(pe + 20, true);
  const count = view.getUint16(pe + 6, true);
  if (sections + count * 40 > bytes.length) throw cut(sections + count * 40);
  for (let i = 0; i < count; i++) {
    const end = view.getUint32(sections + i * 40 + 16, true) + view.getUint32(sections + i * 40 + 20, true);
    if (end > bytes.length) throw cut(end);
  }
}

/**
 * Gives an ELF program its physical addresses. One that is linked for RAM stays; one whose physical addresses are only relative
 * (Linux's vmlinux, position-independent firmware) is moved to `base`.
 */
function placeElf(file: string, program: ElfProgram, base: number): BootImage {
  const lowest = program.segments.reduce((a, b) => (b.physical < a.physical ? b : a));
  let shift = 0;
  if (lowest.physical < RAM_BASE) {
    const relative = lowest.physical === 0 || BigInt(lowest.physical) !== lowest.virtual;
    if (!relative) {
      throw new LoadError(
        file,
        `an ELF program linked at ${formatAddress(lowest.physical)}, where there is no RAM`,
        `Link it at ${formatAddress(base)} or above (RAM begins at ${formatAddress(RAM_BASE)})`,
      );
    }
    shift = base - lowest.physical;
  }
  const segments = program.segments.map(({ physical, bytes, memorySize }) => ({
    address: physical + shift,
    bytes,
    memorySize,
  }));
  return { file, format: 'elf', segments, entry: entryOf(file, program, shift) };
}

function entryOf(file: string, program: ElfProgram, shift: number): number {
  const inside = (start: bigint, size: number): boolean =>
    program.entry >= start && program.entry < start + BigInt(size);
  const byVirtual = program.segments.find((s) => inside(s.virtual, s.memorySize));
  if (byVirtual) return byVirtual.physical + shift + Number(program.entry - byVirtual.virtual);
  const byPhysical = program.segments.find(
    (s) => Number.isSafeInteger(s.physical) && inside(BigInt(s.physical), s.memorySize),
  );
  if (byPhysical) return Number(program.entry) + shift;
  throw new LoadError(
    file,
    `an ELF program whose entry point 0x${program.entry.toString(16)} lies in none of its segments`,
    'Fetch or build the file again',
  );
}
