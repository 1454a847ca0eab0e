import type { StateReader, StateWriter } from '../../bytes/state-stream.ts';

/** Bytes of a function's configuration space (PCI Local Bus 3.0, 6.1); PCI Express has 4096, of which the rest reads 0. */
const SIZE = 256;

/** Offsets of a type 0 header (6.2). */
const H = {
  command: 0x04,
  status: 0x06,
  revision: 0x08,
  bar0: 0x10,
  bar1: 0x14,
  capabilities: 0x34,
  interruptLine: 0x3c,
  interruptPin: 0x3d,
} as const;

/** Bits of the command register that can be set: memory space, bus master, interrupt disable. */
const COMMAND = { memory: 1 << 1, busMaster: 1 << 2, interruptDisable: 1 << 10 } as const;
const COMMAND_MASK = COMMAND.memory | COMMAND.busMaster | COMMAND.interruptDisable;
/** Bits of the status register. */
const STATUS_INTERRUPT = 1 << 3;
const STATUS_CAPABILITIES = 1 << 4;

/** What a function says it is. */
export interface PciIdentity {
  readonly vendor: number;
  readonly device: number;
  readonly revision: number;
  /** Base class, sub-class and programming interface as one number of 24 bits. */
  readonly classCode: number;
  readonly subsystemVendor: number;
  readonly subsystem: number;
}

/**
 * Configuration space of a function with one memory BAR and INTA#, type 0 header. What the function itself keeps in its capabilities
 * (from {@link addCapability} on) is written through {@link writable}.
 */
export class PciConfigSpace {
  readonly bytes = new Uint8Array(SIZE);
  private readonly view = new DataView(this.bytes.buffer);
  private readonly barSize: number;
  private pristine: Uint8Array | undefined;
  private lastCapability: number = H.capabilities;
  private freeAt = 0x40;

  /** @param barSize bytes of the BAR, a power of two, at least 16 */
  constructor(id: PciIdentity, barSize: number) {
    const { view } = this;
    this.barSize = barSize;
    view.setUint16(0x00, id.vendor, true);
    view.setUint16(0x02, id.device, true);
    view.setUint32(H.revision, (id.classCode << 8) | id.revision, true);
    view.setUint16(0x2c, id.subsystemVendor, true);
    view.setUint16(0x2e, id.subsystem, true);
    view.setUint8(H.interruptPin, 1);
  }

  /** Adds a capability (6.7): its id, then what follows the pointer to the next. @returns its offset */
  addCapability(id: number, body: Uint8Array): number {
    const at = this.freeAt;
    this.bytes[this.lastCapability] = at;
    this.bytes[at] = id;
    this.bytes.set(body, at + 2);
    this.lastCapability = at + 1;
    this.freeAt = (at + 2 + body.length + 3) & ~3;
    this.view.setUint16(H.status, STATUS_CAPABILITIES, true);
    return at;
  }

  /** Back to what it was when it was first reset: after all capabilities were added. */
  reset(): void {
    if (this.pristine === undefined) this.pristine = this.bytes.slice();
    else this.bytes.set(this.pristine);
  }

  /** Whether interrupts reach INTA#. */
  get interruptsEnabled(): boolean {
    return (this.view.getUint16(H.command, true) & COMMAND.interruptDisable) === 0;
  }

  /** Says in the status register that the function asks for an interrupt. */
  set interruptPending(pending: boolean) {
    const status = this.view.getUint16(H.status, true);
    this.view.setUint16(H.status, pending ? status | STATUS_INTERRUPT : status & ~STATUS_INTERRUPT, true);
  }

  /** Offset into the BAR of a bus address; undefined if the BAR is not there, or memory space is off. */
  decode(address: number): number | undefined {
    if ((this.view.getUint16(H.command, true) & COMMAND.memory) === 0) return undefined;
    const offset = address - this.view.getUint32(H.bar0, true);
    return offset >= 0 && offset < this.barSize ? offset : undefined;
  }

  read(offset: number, width: 1 | 2 | 4): number {
    if (offset + width > SIZE) return 0;
    if (width === 4) return this.view.getUint32(offset, true);
    return width === 2 ? this.view.getUint16(offset, true) : this.bytes[offset];
  }

  /** A write of the header; nothing happens outside what can be written. */
  write(offset: number, width: 1 | 2 | 4, value: number): void {
    for (let i = 0; i < width; i++) this.writeByte(offset + i, (value >>> (8 * i)) & 0xff);
  }

  save(w: StateWriter): void {
    w.bytes(this.bytes);
  }

  restore(r: StateReader): void {
    const bytes = r.bytes();
    this.reset();
    this.bytes.set(bytes.subarray(0, SIZE));
  }

  private writeByte(offset: number, value: number): void {
    if (offset >= H.bar0 && offset < H.bar1) {
      // Address bits below the size are hard-wired to 0: that is how software finds the size (6.2.5.1).
      const shift = 8 * (offset - H.bar0);
      this.bytes[offset] = value & (~(this.barSize - 1) >>> shift);
    } else if (offset === H.interruptLine) this.bytes[offset] = value;
    else if (offset === H.command) this.bytes[offset] = value & COMMAND_MASK & 0xff;
    else if (offset === H.command + 1) this.bytes[offset] = value & (COMMAND_MASK >>> 8);
  }
}
