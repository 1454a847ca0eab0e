import type { StateReader, StateWriter } from '../bytes/state-stream.ts';
import type { Device, DeviceContext } from './device.ts';
import type { PlatformEntry } from './entry.ts';
import { type FdtNode, node, number, text } from './fdt-node.ts';
import { placed } from './place.ts';

/** What the guest asks for: power off, reset, or stop reporting a failure. */
export type SysconRequest = 'poweroff' | 'reboot' | 'fail';

/** Written to offset 0: power off. The value of the device tree's `syscon-poweroff` node. */
export const SYSCON_POWEROFF = 0x5555;
/** Written to offset 0: reset. The value of the device tree's `syscon-reboot` node. */
const SYSCON_REBOOT = 0x7777;
/** Written to offset 0 with a status in the upper 16 bits: stop and report that status. */
const SYSCON_FAIL = 0x3333;

export interface SysconOptions {
  /**
   * Called within the store instruction that made the request. `status` is the upper half of the word written, 0–65535
   * (0 is the only one a device tree's poweroff and reboot nodes send).
   */
  onRequest(kind: SysconRequest, status: number): void;
}

/**
 * Power-off and reset register, compatible with the device tree bindings `syscon-poweroff`, `syscon-reboot` and
 * `sifive,test0`: one write-only word at offset 0, low half the request, high half a status. It has no state.
 */
export class Syscon implements Device {
  readonly kind = 'syscon';
  readonly size = 0x1000;
  private readonly options: SysconOptions;

  constructor(_context: DeviceContext, options: SysconOptions) {
    this.options = options;
  }

  reset(): void {}

  read(): number {
    return 0;
  }

  peek(): number {
    return 0;
  }

  write(offset: number, width: 1 | 2 | 4, value: number): void {
    if (offset !== 0 || width === 1) return;
    const status = value >>> 16;
    switch (value & 0xffff) {
      case SYSCON_POWEROFF:
        return this.options.onRequest('poweroff', status);
      case SYSCON_REBOOT:
        return this.options.onRequest('reboot', status);
      case SYSCON_FAIL:
        return this.options.onRequest('fail', status);
    }
  }

  save(_w: StateWriter): void {}

  restore(_r: StateReader): void {}
}

/** A node that says which word to write to the register for power-off or reboot (bindings syscon-poweroff, syscon-reboot). */
const powerNode = (name: string, phandle: number, value: number): FdtNode =>
  node(name, [
    text('compatible', `syscon-${name}`),
    number('regmap', phandle),
    number('offset', 0),
    number('value', value),
  ]);

export const sysconEntry: PlatformEntry = {
  name: 'syscon',
  build: (context, { request }) => new Syscon(context, { onRequest: request }),
  describe(place) {
    const { syscon } = place.phandle;
    const compatible = text('compatible', 'sifive,test1', 'sifive,test0', 'syscon');
    return {
      soc: placed('test', place, [compatible], [number('phandle', syscon)]),
      root: [powerNode('poweroff', syscon, SYSCON_POWEROFF), powerNode('reboot', syscon, SYSCON_REBOOT)],
    };
  },
};
