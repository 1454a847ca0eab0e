import { KERNEL_OFFSET, RAM_BASE } from '../board/memory-map.ts';
import { fields } from './bytes.ts';
import type { BootImage } from './image.ts';

/** How firmware finds the next boot stage. */
export type FirmwareKind =
  /** It reads the structure that a2 points to (OpenSBI's fw_dynamic). */
  | 'dynamic'
  /** OpenSBI built for fixed addresses (fw_jump): ignores a2, moves the device tree. */
  | 'jump'
  /** Anything else: a payload of its own, another project's firmware, a bare-metal program. */
  | 'other';

/** Bytes of OpenSBI's `struct fw_dynamic_info`, version 2, on a 64-bit machine. */
const DYNAMIC_INFO_SIZE = 48;
const DYNAMIC_MAGIC = 0x4942_534fn;
const DYNAMIC_VERSION = 2n;
const NEXT_MODE_SUPERVISOR = 1n;

/** Where an fw_jump of OpenSBI's generic platform enters the kernel, and where it moves the device tree before that. */
export const JUMP_KERNEL = RAM_BASE + KERNEL_OFFSET;
export const JUMP_DEVICE_TREE = RAM_BASE + 0x220_0000;

/** Writes `struct fw_dynamic_info` (OpenSBI, docs/firmware/fw_dynamic): start the kernel at `kernel` in S-mode on hart `bootHart`. */
export function dynamicInfo(kernel: number, bootHart: number): Uint8Array {
  const out = new Uint8Array(DYNAMIC_INFO_SIZE);
  const view = fields(out);
  const options = 0n;
  [DYNAMIC_MAGIC, DYNAMIC_VERSION, BigInt(kernel), NEXT_MODE_SUPERVISOR, options, BigInt(bootHart)].forEach((word, i) =>
    view.setBigUint64(i * 8, word, true),
  );
  return out;
}

/**
 * Tells the kinds of OpenSBI apart. Raw binaries carry no name of their kind, but only fw_dynamic compares with the structure's
 * magic, so only there an early `lui` loads its upper 20 bits. Firmware beyond the room in front of a kernel holds a payload.
 */
export function firmwareKind(firmware: BootImage): FirmwareKind {
  const first = firmware.segments[0]!;
  if (loadsMagic(first.bytes)) return 'dynamic';
  const small = first.memorySize <= KERNEL_OFFSET;
  return small && includesText(first.bytes, 'OpenSBI v') ? 'jump' : 'other';
}

function loadsMagic(bytes: Uint8Array): boolean {
  const LUI = 0x37;
  const upper = Number(DYNAMIC_MAGIC >> 12n);
  const view = fields(bytes);
  for (let at = 0; at + 4 <= Math.min(bytes.length, 0x2000); at += 2) {
    const word = view.getUint32(at, true);
    if ((word & 0x7f) === LUI && word >>> 12 === upper) return true;
  }
  return false;
}

function includesText(bytes: Uint8Array, text: string): boolean {
  const codes = Array.from(text, (c) => c.charCodeAt(0));
  for (let at = bytes.indexOf(codes[0]!); at >= 0; at = bytes.indexOf(codes[0]!, at + 1)) {
    if (codes.every((code, i) => bytes[at + i] === code)) return true;
  }
  return false;
}
