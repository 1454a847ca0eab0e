import type { MachineView } from '../machine/view/machine-view.ts';

/** Where a kernel lies in RAM. */
export interface KernelImage {
  /** Physical address of its first byte. */
  readonly physical: bigint;
  /** Bytes it occupies, BSS included. */
  readonly size: number;
}

/** Kernels begin at multiples of this (Linux documentation, "Boot image header in RISC-V Linux"). */
const ALIGNMENT = 2 << 20;
const HEADER = 64;
/** "RISCV" and "RSC" 05, at bytes 48 and 56 of the header. */
const MAGIC = [0x4353_4952, 0x56] as const;
const MAGIC2 = 0x0543_5352;

/** Finds a Linux image in RAM by its header. */
export function findKernelImage(view: MachineView): KernelImage | undefined {
  for (let at = 0; at + HEADER <= view.ram.size; at += ALIGNMENT) {
    const physical = view.ram.base + BigInt(at);
    const bytes = view.readPhysical(physical, HEADER);
    if (bytes.length < HEADER) return undefined;
    const header = new DataView(bytes.buffer, bytes.byteOffset);
    if (
      header.getUint32(56, true) !== MAGIC2 ||
      header.getUint32(48, true) !== MAGIC[0] ||
      header.getUint32(52, true) !== MAGIC[1]
    )
      continue;
    const size = Number(header.getBigUint64(16, true));
    if (size > 0 && at + size <= view.ram.size) return { physical, size };
  }
  return undefined;
}
