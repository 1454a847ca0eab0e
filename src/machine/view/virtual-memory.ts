import { ACCESS } from '../../core/core.ts';
import { type MachineView, PRV } from './machine-view.ts';
import { currentSatp, type Resolve, readThrough, walk } from './page-table.ts';

/** How a hart's virtual addresses lead to physical ones now, whatever its privilege may touch. */
export function resolver(view: MachineView, hart: number): Resolve {
  const satp = currentSatp(view, hart);
  return (address) => walk(view, satp, address)?.physical;
}

/** Reads virtual memory of a hart: shorter than asked for where nothing more is mapped. */
export const readVirtual = (view: MachineView, hart: number, address: bigint, length: number): Uint8Array =>
  readThrough(view, resolver(view, hart), address, length);

/**
 * Reads a little-endian number of 1, 2, 4 or 8 bytes of a hart's virtual memory, unsigned; undefined where nothing is mapped. What the core may
 * load is found without walking page tables here: conditions ask often.
 */
export function readNumber(view: MachineView, hart: number, address: bigint, length: number): bigint | undefined {
  if (Number(address & 0xfffn) + length <= 4096 && view.readRegister(hart, PRV) !== 3n) {
    const physical = view.translate(hart, address, ACCESS.READ);
    const value = physical < 0n ? undefined : view.readNumber(physical, length);
    if (value !== undefined) return value;
  }
  const bytes = readVirtual(view, hart, address, length);
  if (bytes.length < length) return undefined;
  let value = 0n;
  for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]);
  return value;
}
