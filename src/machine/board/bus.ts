import type { CoreHost } from '../../core/core.ts';
import type { Device } from '../../devices/device.ts';
import { MACHINE, MACHINE_AT } from '../../isa/layout.ts';
import type { AbsentPages } from '../memory/absent-pages.ts';
import type { MachineMemory } from '../memory/memory.ts';
import type { Region } from './memory-map.ts';

/** A device's window of physical addresses. */
export interface Window {
  readonly region: Region;
  readonly device: Device;
  /** Called after the guest touched a register: the device may take more input now. */
  readonly afterAccess?: () => void;
}

const LOW = (MACHINE_AT + MACHINE.mmioLow) >>> 2;
const HIGH = (MACHINE_AT + MACHINE.mmioHigh) >>> 2;

/** Finds the device behind a physical address. An access of 8 bytes is made as two of 4, low half first. */
export class Bus implements CoreHost {
  private readonly windows: readonly Window[];
  private readonly mailbox: Uint32Array;
  private readonly absent: AbsentPages;
  /** What is done where the core meets an execute point, see {@link CoreHost.pointMet}. */
  onPoint: (index: number) => boolean = () => false;
  /** The window that was hit last: drivers touch the same device many times in a row. */
  private last: Window;

  /** @param windows must not overlap and be of one device each */
  constructor(memory: MachineMemory, windows: readonly Window[]) {
    this.windows = windows;
    this.mailbox = memory.u32;
    this.absent = memory.absent;
    this.last = windows[0];
  }

  mmioRead(address: number, width: number): boolean {
    const window = this.find(address, width);
    if (window === undefined) return false;
    const { device } = window;
    const offset = address - window.region.base;
    this.mailbox[LOW] = device.read(offset, width === 8 ? 4 : (width as 1 | 2 | 4));
    this.mailbox[HIGH] = width === 8 ? device.read(offset + 4, 4) : 0;
    window.afterAccess?.();
    return true;
  }

  mmioWrite(address: number, width: number): boolean {
    const window = this.find(address, width);
    if (window === undefined) return false;
    const { device } = window;
    const offset = address - window.region.base;
    const low = this.mailbox[LOW];
    const high = this.mailbox[HIGH];
    if (width === 8) {
      device.write(offset, 4, low);
      device.write(offset + 4, 4, high);
    } else {
      device.write(offset, width as 1 | 2 | 4, width === 4 ? low : low & (width === 2 ? 0xffff : 0xff));
    }
    window.afterAccess?.();
    return true;
  }

  pointMet(index: number): boolean {
    return this.onPoint(index);
  }

  pageAbsent(page: number): void {
    this.absent.touch(page);
  }

  /** Reads registers without effect, for debuggers. @returns undefined where nothing is */
  peek(address: number, width: 1 | 2 | 4 | 8): bigint | undefined {
    const window = this.find(address, width);
    if (window === undefined) return undefined;
    const offset = address - window.region.base;
    if (width !== 8) return BigInt(window.device.peek(offset, width));
    return BigInt(window.device.peek(offset, 4)) | (BigInt(window.device.peek(offset + 4, 4)) << 32n);
  }

  private find(address: number, width: number): Window | undefined {
    const holds = ({ region, device }: Window): boolean =>
      address >= region.base && address + width <= region.base + Math.min(region.size, device.size);
    if (holds(this.last)) return this.last;
    const window = this.windows.find(holds);
    if (window !== undefined) this.last = window;
    return window;
  }
}
