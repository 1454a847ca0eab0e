import { HART_STATE, type HsmState, handleSbiCall, type SbiHost } from '../../src/firmware/index.ts';
import { RAM_BASE } from '../../src/machine/board/memory-map.ts';
import { GuestRam } from '../../src/machine/memory/ram.ts';

/** A machine of registers and RAM only, which writes down what the firmware asks of it. */
export class FakeHost implements SbiHost {
  readonly hartCount: number;
  readonly ram: GuestRam;
  readonly log: unknown[][] = [];
  readonly registers: BigUint64Array[];
  readonly states: HsmState[];
  input = new Uint8Array(0);

  constructor(hartCount = 4, ramSize = 1 << 20) {
    this.hartCount = hartCount;
    this.ram = new GuestRam(new Uint8Array(ramSize), RAM_BASE, () => {});
    this.registers = Array.from({ length: hartCount }, () => new BigUint64Array(32));
    this.states = Array.from({ length: hartCount }, (_, hart) =>
      hart === 0 ? HART_STATE.started : HART_STATE.stopped,
    );
  }

  getReg(hart: number, index: number): bigint {
    return this.registers[hart]![index]!;
  }

  setReg(hart: number, index: number, value: bigint): void {
    this.registers[hart]![index] = value;
  }

  setTimer(hart: number, stimeValue: bigint): void {
    this.log.push(['setTimer', hart, stimeValue]);
  }

  setSoftware(hart: number, level: boolean): void {
    this.log.push(['setSoftware', hart, level]);
  }

  hartState(hart: number): HsmState {
    return this.states[hart]!;
  }

  startHart(hart: number, address: number, opaque: bigint): void {
    this.states[hart] = HART_STATE.started;
    this.log.push(['startHart', hart, address, opaque]);
  }

  stopHart(hart: number): void {
    this.states[hart] = HART_STATE.stopped;
    this.log.push(['stopHart', hart]);
  }

  suspendHart(hart: number, resume?: { address: number; opaque: bigint }): void {
    this.states[hart] = HART_STATE.suspended;
    this.log.push(['suspendHart', hart, resume]);
  }

  reset(kind: number, reason: number): void {
    this.log.push(['reset', kind, reason]);
  }

  consoleWrite(bytes: Uint8Array): void {
    this.log.push(['consoleWrite', new TextDecoder('latin1').decode(bytes)]);
  }

  consoleRead(max: number): Uint8Array {
    const taken = this.input.subarray(0, max);
    this.input = this.input.slice(max);
    return taken;
  }
}

/** Makes an SBI call on a hart. @returns a0 as a signed number, and a1 */
export function call(
  host: FakeHost,
  hart: number,
  eid: bigint,
  fid: number,
  ...args: (bigint | number)[]
): { error: number; value: bigint } {
  const registers = host.registers[hart]!;
  registers.fill(0x5a5an);
  args.forEach((v, i) => (registers[10 + i] = BigInt.asUintN(64, BigInt(v))));
  registers[16] = BigInt(fid);
  registers[17] = eid;
  handleSbiCall(host, hart);
  return { error: Number(BigInt.asIntN(64, registers[10]!)), value: registers[11]! };
}
