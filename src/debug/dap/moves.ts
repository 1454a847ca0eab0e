import type { Decoded } from '../../isa/decode.ts';
import { PC, X } from '../../machine/view/machine-view.ts';
import { nextInstruction } from '../../machine/view/next-access.ts';
import type { Breakpoint } from '../../timeline/breakpoints.ts';
import type { MoveResult } from '../../timeline/mover.ts';
import type { StepOptions } from '../../timeline/steps.ts';
import type { GuestInfo } from '../guest-info.ts';
import type { DebugTarget } from '../target.ts';

/** Options of steps: the signal, and whether interrupts are gone over. */
export type StepperOptions = Omit<StepOptions, 'hart' | 'points' | 'watch' | 'range'>;

const RA = 1;

/** Steps as people mean them: over calls, out of functions, by source line, in both directions. */
export class Stepper {
  private readonly target: DebugTarget;
  private readonly guestInfo: GuestInfo;
  private readonly points: () => readonly Breakpoint[];

  constructor(target: DebugTarget, guestInfo: GuestInfo, points: () => readonly Breakpoint[]) {
    this.target = target;
    this.guestInfo = guestInfo;
    this.points = points;
  }

  in(hart: number, byLine: boolean, o: StepperOptions): Promise<MoveResult> {
    return this.repeat(hart, byLine, () => this.one(hart, o), o);
  }

  over(hart: number, byLine: boolean, o: StepperOptions): Promise<MoveResult> {
    return this.repeat(
      hart,
      byLine,
      async () => {
        const d = this.instruction(hart);
        const call = d !== undefined && (d.row.name === 'jal' || d.row.name === 'jalr') && d.rd === RA;
        return call ? this.until(hart, this.pc(hart) + BigInt(d.length), this.sp(hart), o) : this.one(hart, o);
      },
      o,
    );
  }

  /** To the instruction after the call of this function. */
  async out(hart: number, o: StepperOptions): Promise<MoveResult> {
    const caller = this.guestInfo.backtrace(hart, 2)[1];
    return caller ? this.until(hart, caller.pc, caller.sp, o) : this.in(hart, false, o);
  }

  /** One instruction or line back, over calls. */
  back(hart: number, byLine: boolean, o: StepperOptions): Promise<MoveResult> {
    const { mover } = this.target;
    return this.repeat(
      hart,
      byLine,
      async () => {
        const pc = this.pc(hart);
        const sp = this.sp(hart);
        const end = await mover.reverseStep(1, { ...o, hart, points: this.points() });
        const d = end.reason === 'there' ? this.instruction(hart) : undefined;
        const returned = d?.row.name === 'jalr' && d.rd === 0 && d.rs1 === RA;
        if (!returned) return end;
        // The instruction before was a return: go back to the call.
        const call: Breakpoint = {
          kind: 'execute',
          start: pc - 4n,
          end: pc,
          hart,
          when: (view, h) => (view.readRegister(h, X(2)) ?? 0n) === sp,
        };
        const there = await mover.reverseContinue([...this.points(), call], o);
        return there.hit?.point === call ? { ...there, reason: 'there', hart, hit: undefined } : there;
      },
      o,
    );
  }

  private one(hart: number, o: StepperOptions): Promise<MoveResult> {
    return this.target.mover.step(1, { ...o, hart, points: this.points(), watch: 'after' });
  }

  /** Runs until a hart is at an address in the frame with this stack pointer, or an outer one. */
  private async until(hart: number, address: bigint, sp: bigint, o: StepperOptions): Promise<MoveResult> {
    const here: Breakpoint = {
      kind: 'execute',
      start: address,
      end: address + 1n,
      hart,
      when: (view, h) => (view.readRegister(h, X(2)) ?? 0n) >= sp,
    };
    const end = await this.target.mover.continue([...this.points(), here], { ...o, watch: 'after' });
    return end.hit?.point === here ? { ...end, reason: 'there', hart, hit: undefined } : end;
  }

  /** Repeats a step while the source line stays the same, when steps are by line and the line is known. */
  private async repeat(
    hart: number,
    byLine: boolean,
    step: () => Promise<MoveResult>,
    { signal }: StepperOptions,
  ): Promise<MoveResult> {
    const from = byLine ? this.guestInfo.line(this.pc(hart)) : undefined;
    for (;;) {
      const end = await step();
      if (!from || end.reason !== 'there') return end;
      const now = this.guestInfo.line(this.pc(hart));
      if (now && (now.line !== from.line || now.file !== from.file)) return end;
      if (signal?.aborted) return { ...end, reason: 'interrupted' };
    }
  }

  private pc(hart: number): bigint {
    return this.target.readRegister(hart, PC) ?? 0n;
  }

  private sp(hart: number): bigint {
    return this.target.readRegister(hart, X(2)) ?? 0n;
  }

  private instruction(hart: number): Decoded | undefined {
    return nextInstruction(this.target, hart);
  }
}
