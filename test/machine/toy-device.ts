import type { SlotEntry } from '../../src/devices/entry.ts';
import type { SlotConfig } from '../../src/devices/registry.ts';
import type { VirtioBus, VirtioModel } from '../../src/devices/virtio/model.ts';
import { beginImage } from './tiny-guest.ts';

const [ZERO, T0, T1, S0, S1, S2, S3, S4, A0, A1, A6, A7] = [0, 5, 6, 8, 9, 18, 19, 20, 10, 11, 16, 17];

/**
 * A device that asks its host: the guest writes a number to byte 0 of its configuration space, the host is sent a request and,
 * in a frame of its own, a remark; the answer lies in byte 4, once byte 8 counts it.
 */
class Toy implements VirtioModel {
  readonly name = 'toy';
  readonly id = 42;
  readonly features = [];
  readonly queueSizes = [];
  readonly config = new Uint8Array(12);
  private asked = 0;
  private readonly bus: VirtioBus;

  constructor(bus: VirtioBus) {
    this.bus = bus;
  }

  get awaitsAnswer(): boolean {
    return this.asked !== 0;
  }

  repeatRequests(): void {
    if (this.asked !== 0) this.bus.context.port.emit(Uint8Array.of(1, this.asked));
  }

  writeConfig(offset: number, value: number): void {
    if (offset !== 0) return;
    this.asked = value;
    this.bus.context.port.emit(Uint8Array.of(1, value));
    this.bus.context.port.emit(Uint8Array.of(2));
  }

  input(payload: Uint8Array): number {
    if (this.asked === 0) return 0;
    this.asked = 0;
    this.config[4] = payload[0];
    this.config[8]++;
    return payload.length;
  }

  reset(): void {
    this.asked = 0;
    this.config.fill(0);
  }

  notify(): void {}

  save(w: Parameters<VirtioModel['save']>[0]): void {
    w.u8(this.asked);
    w.u8(this.config[4]);
    w.u8(this.config[8]);
  }

  restore(r: Parameters<VirtioModel['restore']>[0]): void {
    this.asked = r.u8();
    this.config[4] = r.u8();
    this.config[8] = r.u8();
  }
}

export const toyEntry: SlotEntry<{ readonly kind: 'toy' }> = {
  kind: 'toy',
  host: { output: 'frames' },
  check() {},
  model: () => (bus) => new Toy(bus),
};

/** The toy as a machine's slot; only where the registry is mocked to know it. */
export const TOY = { kind: 'toy' } as unknown as SlotConfig;

/** Where {@link toyGuest} keeps its answers, a byte each, and how often it looked for one, 8 bytes. */
export const TOY_ANSWERS = 0x8030_0000;
export const TOY_LOOKS = 0x8030_0100;

/** A guest that asks the toy in slot 1 `count` questions, one after the other, sleeping between two looks for the answer; then powers off. */
export function toyGuest(count: number): Uint8Array {
  const a = beginImage();
  const sbi = (extension: number): void => {
    a.li(A7, extension);
    a.op('addi', { rd: A6, rs1: ZERO, imm: 0 });
    a.op('ecall');
  };
  a.label('start');
  a.op('addi', { rd: T0, rs1: ZERO, imm: 0x20 });
  a.op('csrrw', { rd: ZERO, rs1: T0, imm: 0x104 }); // sie: timer interrupts wake, and are not taken
  a.li(S0, 0x1000_2000);
  const set = (offset: number, value: number): void => {
    a.op('addi', { rd: T0, rs1: ZERO, imm: value });
    a.op('sw', { rs1: S0, rs2: T0, imm: offset });
  };
  set(0x70, 3); // acknowledge, driver
  set(0x24, 1);
  set(0x20, 1); // VERSION_1
  set(0x70, 11); // features ok
  set(0x70, 15); // driver ok
  a.li(S2, TOY_ANSWERS >> 1);
  a.op('slli', { rd: S2, rs1: S2, imm: 33 });
  a.op('srli', { rd: S2, rs1: S2, imm: 32 });
  a.op('addi', { rd: S1, rs1: ZERO, imm: 0 }); // questions asked
  a.op('addi', { rd: S4, rs1: ZERO, imm: 0 }); // looks
  a.label('ask');
  a.op('addi', { rd: S1, rs1: S1, imm: 1 });
  a.op('sb', { rs1: S0, rs2: S1, imm: 0x100 });
  a.label('look');
  a.op('addi', { rd: S4, rs1: S4, imm: 1 });
  a.op('lbu', { rd: T0, rs1: S0, imm: 0x108 });
  a.to('beq', { rs1: T0, rs2: S1 }, 'answered');
  a.op('csrrs', { rd: A0, rs1: ZERO, imm: 0xc01 });
  a.op('addi', { rd: A0, rs1: A0, imm: 1000 });
  sbi(0x5449_4d45);
  a.op('wfi');
  a.to('jal', { rd: ZERO }, 'look');
  a.label('answered');
  a.op('lbu', { rd: T0, rs1: S0, imm: 0x104 });
  a.op('add', { rd: S3, rs1: S2, rs2: S1 });
  a.op('sb', { rs1: S3, rs2: T0, imm: -1 });
  a.op('sd', { rs1: S2, rs2: S4, imm: TOY_LOOKS - TOY_ANSWERS });
  a.op('addi', { rd: T1, rs1: ZERO, imm: count });
  a.to('blt', { rs1: S1, rs2: T1 }, 'ask');
  a.op('addi', { rd: A0, rs1: ZERO, imm: 0 });
  a.op('addi', { rd: A1, rs1: ZERO, imm: 0 });
  sbi(0x5352_5354);
  return a.finish();
}
