import type { Access } from '../../core/core.ts';
import { RAM_AT, RAM_BASE } from '../../isa/layout.ts';
import type { Instant } from '../../record/door.ts';
import type { Engine } from '../engine/engine.ts';
import type { MachineView, RegisterId } from './machine-view.ts';

/** An engine to look at. Reads have no effect: devices are peeked at. */
export class EngineView implements MachineView {
  readonly harts: number;
  readonly ram: { readonly base: bigint; readonly size: number };
  readonly engine: Engine;

  constructor(engine: Engine) {
    this.engine = engine;
    this.harts = engine.harts.length;
    this.ram = { base: BigInt(RAM_BASE), size: engine.memory.ramSize };
  }

  get instant(): Instant {
    return this.engine.instant;
  }

  activeHart(): number {
    return this.engine.currentHart;
  }

  readRegister(hart: number, id: RegisterId): bigint | undefined {
    const state = this.engine.harts[hart];
    switch (id.kind) {
      case 'x':
        return state.get('x', id.number);
      case 'f':
        return state.get('f', id.number);
      case 'pc':
        return state.get('pc');
      case 'prv':
        return BigInt(state.get32('prv'));
      case 'csr':
        return this.engine.core.readCsr(hart, id.number);
    }
  }

  translate(hart: number, address: bigint, access: Access): bigint {
    return this.engine.core.translate(hart, address, access);
  }

  readNumber(physical: bigint, length: number): bigint | undefined {
    const offset = Number(physical - this.ram.base);
    if (offset < 0 || offset + length > this.ram.size) return undefined;
    const { view, absent } = this.engine.memory;
    absent.need(offset, length);
    const at = RAM_AT + offset;
    if (length === 8) return view.getBigUint64(at, true);
    return BigInt(
      length === 4 ? view.getUint32(at, true) : length === 2 ? view.getUint16(at, true) : view.getUint8(at),
    );
  }

  readPhysical(address: bigint, length: number): Uint8Array {
    const { base, size } = this.ram;
    if (address >= base && address < base + BigInt(size)) {
      const at = Number(address - base);
      const end = Math.min(at + length, size);
      this.engine.memory.absent.need(at, end - at);
      return this.engine.memory.ramBytes.slice(at, end);
    }
    return address < base ? this.peek(Number(address), length) : new Uint8Array(0);
  }

  /** Registers of devices, in the widest accesses their addresses allow. */
  private peek(address: number, length: number): Uint8Array {
    const out = new Uint8Array(length);
    const view = new DataView(out.buffer);
    let done = 0;
    while (done < length) {
      const at = address + done;
      const width = at % 4 === 0 && length - done >= 4 ? 4 : at % 2 === 0 && length - done >= 2 ? 2 : 1;
      const value = this.engine.bus.peek(at, width);
      if (value === undefined) return out.slice(0, done);
      if (width === 4) view.setUint32(done, Number(value), true);
      else if (width === 2) view.setUint16(done, Number(value), true);
      else view.setUint8(done, Number(value));
      done += width;
    }
    return out;
  }
}
