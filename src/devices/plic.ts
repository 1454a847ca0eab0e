import { StateError, type StateReader, type StateWriter } from '../bytes/state-stream.ts';
import type { Device, DeviceContext } from './device.ts';
import type { PlatformEntry } from './entry.ts';
import { flag, number, text } from './fdt-node.ts';
import { placed } from './place.ts';

/** Number of interrupt sources, ids 1 to 96 (0 means none): the device tree's `riscv,ndev`. */
export const PLIC_SOURCES = 96;
/** Largest priority and threshold; priority 0 never interrupts. */
const PLIC_MAX_PRIORITY = 7;

/** Memory map (RISC-V PLIC specification 1.0.0, chapter 3). */
const PENDING = 0x1000;
const ENABLE = 0x2000;
const ENABLE_STRIDE = 0x80;
const CONTEXT = 0x200000;
const CONTEXT_STRIDE = 0x1000;
const WINDOW = 0x600000;

/** 32-bit words of a bit per source. */
const WORDS = Math.ceil((PLIC_SOURCES + 1) / 32);
/** Bits of the last word that are sources; source 0 is masked out of the first. */
const LAST_MASK = 2 ** ((PLIC_SOURCES % 32) + 1) - 1;

export interface PlicOptions {
  /** Number of harts, 1–8; contexts are 2·hart (M) and 2·hart + 1 (S). */
  readonly harts: number;
  /** Drives the external interrupt of a context: mip.MEIP or mip.SEIP of its hart. */
  setExternal(context: number, level: boolean): void;
}

/**
 * Platform-level interrupt controller (RISC-V PLIC specification 1.0.0; `sifive,plic-1.0.0`) with level-triggered gateways:
 * once a gateway has forwarded a request it stays pending until claimed, even if the wire falls, and a wire still high at
 * completion makes it pending again (chapter 2, interrupt gateways).
 */
export class Plic implements Device {
  readonly kind = 'plic';
  readonly size = WINDOW;
  private readonly options: PlicOptions;
  private readonly contexts: number;
  private readonly priority = new Uint8Array(PLIC_SOURCES + 1);
  private readonly level = new Uint32Array(WORDS);
  private readonly pending = new Uint32Array(WORDS);
  /** Claimed and not yet completed: the gateway forwards nothing. */
  private readonly claimed = new Uint32Array(WORDS);
  private readonly enable: Uint32Array;
  private readonly threshold: Uint8Array;
  private readonly external: Uint8Array;

  constructor(_context: DeviceContext, options: PlicOptions) {
    if (!(Number.isInteger(options.harts) && options.harts >= 1 && options.harts <= 8)) {
      throw new RangeError(`PLIC for ${options.harts} harts: expected 1 to 8`);
    }
    this.options = options;
    this.contexts = options.harts * 2;
    this.enable = new Uint32Array(this.contexts * WORDS);
    this.threshold = new Uint8Array(this.contexts);
    this.external = new Uint8Array(this.contexts);
  }

  /** Back to power-on. Wires are inputs: their levels stay as their devices drive them, and a high one is pending at once. */
  reset(): void {
    this.priority.fill(0);
    this.pending.set(this.level);
    this.claimed.fill(0);
    this.enable.fill(0);
    this.threshold.fill(0);
    this.update(true);
  }

  /** Drives the wire of a source. @param irq 1 to {@link PLIC_SOURCES} @throws RangeError for any other */
  setSource(irq: number, level: boolean): void {
    if (!(irq >= 1 && irq <= PLIC_SOURCES))
      throw new RangeError(`PLIC has no source ${irq}: expected 1 to ${PLIC_SOURCES}`);
    const word = irq >>> 5;
    const bit = 1 << (irq & 31);
    if (((this.level[word] & bit) !== 0) === level) return;
    if (!level) {
      this.level[word] &= ~bit;
      return;
    }
    this.level[word] |= bit;
    if ((this.claimed[word] & bit) !== 0) return;
    this.pending[word] |= bit;
    this.update(false);
  }

  read(offset: number, width: 1 | 2 | 4): number {
    if (width !== 4 || offset % 4 !== 0) return 0;
    const context = this.claimRegister(offset);
    return context < 0 ? this.peek(offset, width) : this.claim(context);
  }

  peek(offset: number, width: 1 | 2 | 4): number {
    if (width !== 4 || offset % 4 !== 0) return 0;
    if (offset < PENDING) return this.priority[offset / 4] ?? 0;
    if (offset < ENABLE) return this.pending[(offset - PENDING) / 4] ?? 0;
    if (offset < CONTEXT) {
      const at = this.enableWord(offset);
      return at < 0 ? 0 : this.enable[at];
    }
    const context = Math.floor((offset - CONTEXT) / CONTEXT_STRIDE);
    if (context >= this.contexts) return 0;
    const register = (offset - CONTEXT) % CONTEXT_STRIDE;
    if (register === 0) return this.threshold[context];
    return register === 4 ? this.best(context, 0) : 0;
  }

  write(offset: number, width: 1 | 2 | 4, value: number): void {
    if (width !== 4 || offset % 4 !== 0) return;
    if (offset < PENDING) {
      const irq = offset / 4;
      if (irq < 1 || irq > PLIC_SOURCES) return;
      this.priority[irq] = value & PLIC_MAX_PRIORITY;
    } else if (offset < ENABLE) {
      return;
    } else if (offset < CONTEXT) {
      const at = this.enableWord(offset);
      if (at < 0) return;
      const word = at % WORDS;
      this.enable[at] = value & (word === 0 ? ~1 : ~0) & (word === WORDS - 1 ? LAST_MASK : ~0);
    } else {
      const context = Math.floor((offset - CONTEXT) / CONTEXT_STRIDE);
      if (context >= this.contexts) return;
      const register = (offset - CONTEXT) % CONTEXT_STRIDE;
      if (register === 0) this.threshold[context] = value & PLIC_MAX_PRIORITY;
      else if (register === 4) this.complete(context, value);
      else return;
    }
    this.update(false);
  }

  save(w: StateWriter): void {
    w.u32(this.contexts);
    for (const priority of this.priority) w.u8(priority);
    for (const words of [this.level, this.pending, this.claimed, this.enable]) for (const word of words) w.u32(word);
    for (const threshold of this.threshold) w.u8(threshold);
  }

  restore(r: StateReader): void {
    const contexts = r.u32();
    if (contexts !== this.contexts)
      throw new StateError(`saved PLIC has ${contexts} contexts, this machine ${this.contexts}`);
    for (let i = 0; i < this.priority.length; i++) this.priority[i] = r.u8();
    for (const words of [this.level, this.pending, this.claimed, this.enable])
      for (let i = 0; i < words.length; i++) words[i] = r.u32();
    for (let i = 0; i < contexts; i++) this.threshold[i] = r.u8();
    this.update(true);
  }

  /** The context whose claim register is at `offset`, or −1. */
  private claimRegister(offset: number): number {
    if (offset < CONTEXT || (offset - CONTEXT) % CONTEXT_STRIDE !== 4) return -1;
    const context = Math.floor((offset - CONTEXT) / CONTEXT_STRIDE);
    return context < this.contexts ? context : -1;
  }

  /** Index into {@link enable} of the word at `offset`, or −1. */
  private enableWord(offset: number): number {
    const context = Math.floor((offset - ENABLE) / ENABLE_STRIDE);
    const word = ((offset - ENABLE) % ENABLE_STRIDE) / 4;
    return context < this.contexts && word < WORDS ? context * WORDS + word : -1;
  }

  /** The pending, enabled source of the highest priority above `floor`, the lowest id among equals (section 1.4); 0 for none. */
  private best(context: number, floor: number): number {
    let best = 0;
    let highest = floor;
    for (let word = 0; word < WORDS; word++) {
      let bits = this.pending[word] & this.enable[context * WORDS + word];
      while (bits !== 0) {
        const irq = word * 32 + 31 - Math.clz32(bits & -bits);
        bits &= bits - 1;
        if (this.priority[irq] > highest) {
          highest = this.priority[irq];
          best = irq;
        }
      }
    }
    return best;
  }

  /** Interrupt claim: the threshold does not matter here (chapter 7). */
  private claim(context: number): number {
    const irq = this.best(context, 0);
    if (irq !== 0) {
      this.pending[irq >>> 5] &= ~(1 << (irq & 31));
      this.claimed[irq >>> 5] |= 1 << (irq & 31);
      this.update(false);
    }
    return irq;
  }

  /** Interrupt completion: ignored unless the source is enabled for the context (chapter 8). */
  private complete(context: number, irq: number): void {
    if (irq < 1 || irq > PLIC_SOURCES) return;
    const word = irq >>> 5;
    const bit = 1 << (irq & 31);
    if ((this.enable[context * WORDS + word] & this.claimed[word] & bit) === 0) return;
    this.claimed[word] &= ~bit;
    this.pending[word] |= this.level[word] & bit;
  }

  private update(all: boolean): void {
    for (let context = 0; context < this.contexts; context++) {
      const level = this.best(context, this.threshold[context]) !== 0 ? 1 : 0;
      if (!all && this.external[context] === level) continue;
      this.external[context] = level;
      this.options.setExternal(context, level !== 0);
    }
  }
}

/** The PLIC context of a hart at a privilege level; the numbering is the same whether firmware runs in the guest or in the host. */
function plicContext(hart: number, level: 'machine' | 'supervisor'): number {
  return hart * 2 + (level === 'supervisor' ? 1 : 0);
}

/** Local interrupt numbers at a hart (Privileged Architecture, 3.1.9), and the mark of a context that nothing is connected to. */
const SUPERVISOR_EXTERNAL = 9;
const MACHINE_EXTERNAL = 11;
const NO_CONTEXT = 0xffff_ffff;

export const plicEntry: PlatformEntry = {
  name: 'plic',
  build: (context, { harts, drive }) =>
    new Plic(context, {
      harts,
      setExternal: (at, level) => drive(at >>> 1, at % 2 === 0 ? 'MEIP' : 'SEIP', level),
    }),
  describe(place) {
    const { harts, firmware, phandle, intc } = place;
    const wires: number[] = [];
    for (let hart = 0; hart < harts; hart++) {
      const machineLevel = firmware ? MACHINE_EXTERNAL : NO_CONTEXT;
      wires.splice(plicContext(hart, 'machine') * 2, 0, intc(hart), machineLevel);
      wires.splice(plicContext(hart, 'supervisor') * 2, 0, intc(hart), SUPERVISOR_EXTERNAL);
    }
    const soc = placed(
      'plic',
      place,
      [text('compatible', 'sifive,plic-1.0.0', 'riscv,plic0')],
      [
        number('riscv,ndev', PLIC_SOURCES),
        flag('interrupt-controller'),
        number('#interrupt-cells', 1),
        number('#address-cells', 0),
        number('interrupts-extended', ...wires),
        number('phandle', phandle.plic),
      ],
    );
    return { soc };
  },
};
