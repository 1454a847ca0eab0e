import type { Core } from '../../core/core.ts';
import { RAM_BASE } from '../../isa/layout.ts';
import { COMMAND, type Input } from '../../record/door.ts';
import { machineCommand } from '../../record/inputs.ts';
import type { HartState } from '../memory/hart-state.ts';
import type { GuestRam } from '../memory/ram.ts';

/**
 * What a debugger writes into a machine that lives enters through the door like everything else, so that it is recorded and happens again on
 * replay. As a command's payload:
 *
 * ```
 * RAM        COMMAND.WRITE_RAM u8 · offset from the beginning of RAM u32 · bytes
 * register   COMMAND.WRITE_REGISTER u8 · hart u8 · kind u8 (0 x, 1 f, 2 pc, 3 privilege, 4 CSR) · number u16 · value u64
 * ```
 */
export const WRITTEN = { x: 0, f: 1, pc: 2, prv: 3, csr: 4 } as const;

/** What a write changes. */
export interface Written {
  readonly harts: readonly HartState[];
  readonly ram: GuestRam;
  readonly core: Core;
}

/** A write to RAM. @param offset bytes from the beginning of RAM */
export function ramWrite(offset: number, bytes: Uint8Array): Input {
  const payload = new Uint8Array(5 + bytes.length);
  payload[0] = COMMAND.WRITE_RAM;
  new DataView(payload.buffer).setUint32(1, offset, true);
  payload.set(bytes, 5);
  return machineCommand(payload);
}

/** A write to a register. @param number of an x or f register or CSR, otherwise 0 */
export function registerWrite(hart: number, kind: keyof typeof WRITTEN, number: number, value: bigint): Input {
  const payload = new Uint8Array(13);
  const view = new DataView(payload.buffer);
  payload[0] = COMMAND.WRITE_REGISTER;
  payload[1] = hart;
  payload[2] = WRITTEN[kind];
  view.setUint16(3, number, true);
  view.setBigUint64(5, BigInt.asUintN(64, value), true);
  return machineCommand(payload);
}

/** Makes a write. @returns false when there is no such place, register or value: nothing was changed */
export function applyWrite(machine: Written, payload: Uint8Array): boolean {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  if (payload[0] === COMMAND.WRITE_RAM && payload.length > 5) {
    const offset = view.getUint32(1, true);
    if (offset + payload.length - 5 > machine.ram.size) return false;
    machine.ram.write(RAM_BASE + offset, payload.subarray(5));
    return true;
  }
  if (payload[0] !== COMMAND.WRITE_REGISTER || payload.length !== 13) return false;
  const hart = machine.harts[payload[1]];
  return (
    hart !== undefined &&
    setRegister(machine.core, hart, payload[2], view.getUint16(3, true), view.getBigUint64(5, true))
  );
}

function setRegister(core: Core, hart: HartState, kind: number, number: number, value: bigint): boolean {
  switch (kind) {
    case WRITTEN.x:
      if (number > 31) return false;
      if (number !== 0) hart.set('x', value, number);
      break;
    case WRITTEN.f:
      if (number > 31) return false;
      hart.set('f', value, number);
      break;
    case WRITTEN.pc:
      hart.set('pc', value & ~1n);
      break;
    case WRITTEN.prv:
      if (value !== 0n && value !== 1n && value !== 3n) return false;
      hart.set32('prv', Number(value));
      break;
    case WRITTEN.csr:
      if (!core.writeCsr(hart.index, number, value)) return false;
      break;
    default:
      return false;
  }
  core.hartChanged(hart.index);
  return true;
}
