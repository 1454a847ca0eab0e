import type { Decoded } from '../../isa/decode.ts';
import { disassembleRange } from '../../isa/disassemble.ts';
import { PC, X } from '../../machine/view/machine-view.ts';
import { nextInstruction } from '../../machine/view/next-access.ts';
import { readVirtual } from '../../machine/view/virtual-memory.ts';
import type { Breakpoint } from '../../timeline/breakpoints.ts';
import type { MoveResult } from '../../timeline/mover.ts';
import type { StepOptions } from '../../timeline/steps.ts';
import type { GuestInfo } from '../guest-info.ts';
import type { DebugTarget } from '../target.ts';

/** Options of steps: the signal, and whether interrupts are gone over. */
export type StepperOptions = Omit<StepOptions, 'hart' | 'points' | 'watch' | 'range'>;

type Range = readonly [bigint, bigint];

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
    return this.byLine(hart, byLine, o, (range) => this.forward(hart, range, this.points(), o));
  }

  over(hart: number, byLine: boolean, o: StepperOptions): Promise<MoveResult> {
    return this.byLine(hart, byLine, o, async (range) => {
      const d = this.instruction(hart);
      if (d && isCall(d)) return this.until(hart, this.pc(hart) + BigInt(d.length), this.sp(hart), o);
      const calls = range ? this.calls(hart, range) : [];
      const end = await this.forward(hart, range, [...this.points(), ...calls], o);
      return end.hit && calls.includes(end.hit.point) ? arrived(end, hart) : end;
    });
  }

  /** To the instruction after the call of this function. */
  async out(hart: number, o: StepperOptions): Promise<MoveResult> {
    const caller = this.guestInfo.backtrace(hart, 2)[1];
    return caller ? this.until(hart, caller.pc, caller.sp, o) : this.in(hart, false, o);
  }

  /** One instruction or line back, over calls. */
  back(hart: number, byLine: boolean, o: StepperOptions): Promise<MoveResult> {
    const { mover } = this.target;
    return this.byLine(hart, byLine, o, async (range) => {
      const pc = this.pc(hart);
      const sp = this.sp(hart);
      const end = await mover.reverseStep(1, { ...o, hart, points: this.points(), ...(range && { range }) });
      const d = end.reason === 'there' ? this.instruction(hart) : undefined;
      const returned = d?.row.name === 'jalr' && d.rd === 0 && d.rs1 === RA;
      if (!returned) return end;
      // The instruction before was a return: go back to its call.
      const [from, to] = range ?? [pc - 4n, pc];
      const call: Breakpoint = {
        kind: 'execute',
        start: from,
        end: to,
        hart,
        when: (view, h) => (view.readRegister(h, X(2)) ?? 0n) === sp,
      };
      const there = await mover.reverseContinue([...this.points(), call], o);
      return there.hit?.point === call ? arrived(there, hart) : there;
    });
  }

  private forward(
    hart: number,
    range: Range | undefined,
    points: readonly Breakpoint[],
    o: StepperOptions,
  ): Promise<MoveResult> {
    return this.target.mover.step(1, { ...o, hart, points, watch: 'after', ...(range && { range }) });
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
    return end.hit?.point === here ? arrived(end, hart) : end;
  }

  /** Repeats a step through the instructions of a line until the line is another, when steps are by line and the line is known. */
  private async byLine(
    hart: number,
    byLine: boolean,
    { signal }: StepperOptions,
    step: (range: Range | undefined) => Promise<MoveResult>,
  ): Promise<MoveResult> {
    const from = byLine ? this.guestInfo.line(this.pc(hart)) : undefined;
    for (;;) {
      const pc = this.pc(hart);
      const line = this.guestInfo.line(pc);
      const same = from !== undefined && line?.line === from.line && line.file === from.file;
      const end = await step(same ? this.guestInfo.lineRange(pc) : undefined);
      if (!from || end.reason !== 'there') return end;
      const now = this.guestInfo.line(this.pc(hart));
      if (now && (now.line !== from.line || now.file !== from.file)) return end;
      if (signal?.aborted) return { ...end, reason: 'interrupted' };
    }
  }

  /** Breakpoints at the calls in a range. */
  private calls(hart: number, [start, end]: Range): Breakpoint[] {
    const code = readVirtual(this.target, hart, start, Number(end - start));
    return disassembleRange(code, start, Infinity)
      .filter(({ decoded }) => decoded !== undefined && isCall(decoded))
      .map(({ address }) => ({ kind: 'execute', start: address, end: address + 1n, hart }));
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

const isCall = ({ row, rd }: Decoded): boolean => (row.name === 'jal' || row.name === 'jalr') && rd === RA;

/** A point of the stepper's own was met: the step is made. */
const arrived = ({ at }: MoveResult, hart: number): MoveResult => ({ reason: 'there', at, hart });
