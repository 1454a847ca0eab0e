import type { Decoded } from '../../isa/decode.ts';
import { nextInstruction } from '../access.ts';
import type { Knowledge } from '../knowledge.ts';
import { type DebugPoint, type DebugTarget, type MoveOptions, PC, type Stop, X } from '../target.ts';

/** Instructions a step by line goes through before it gives up and stays where it is. */
const MAX_STEPS = 1_000_000;

const RA = 1;

/** Steps as people mean them: over calls, out of functions, by source line, in both directions. */
export class Stepper {
  private readonly target: DebugTarget;
  private readonly knowledge: Knowledge;
  private readonly points: () => readonly DebugPoint[];

  constructor(target: DebugTarget, knowledge: Knowledge, points: () => readonly DebugPoint[]) {
    this.target = target;
    this.knowledge = knowledge;
    this.points = points;
  }

  async in(hart: number, byLine: boolean, o: MoveOptions): Promise<Stop> {
    this.target.setPoints(this.points());
    return this.repeat(hart, byLine, () => this.target.step(hart, 1, o));
  }

  async over(hart: number, byLine: boolean, o: MoveOptions): Promise<Stop> {
    return this.repeat(hart, byLine, async () => {
      const d = this.instruction(hart);
      const call = d !== undefined && (d.row.name === 'jal' || d.row.name === 'jalr') && d.rd === RA;
      if (!call) {
        this.target.setPoints(this.points());
        return this.target.step(hart, 1, o);
      }
      return this.until(hart, this.pc(hart) + BigInt(d.length), this.sp(hart), o);
    });
  }

  /** To the instruction behind the call of this function. */
  async out(hart: number, o: MoveOptions): Promise<Stop> {
    const caller = this.knowledge.backtrace(hart, 2)[1];
    return caller ? this.until(hart, caller.pc, caller.sp, o) : this.in(hart, false, o);
  }

  /** One instruction or line back, over calls. */
  async back(hart: number, byLine: boolean, o: MoveOptions): Promise<Stop> {
    return this.repeat(hart, byLine, async () => {
      const pc = this.pc(hart);
      const sp = this.sp(hart);
      this.target.setPoints(this.points());
      const stop = await this.target.reverseStep(hart, 1, o);
      const d = stop.reason === 'step' ? this.instruction(hart) : undefined;
      const returned = d?.row.name === 'jalr' && d.rd === 0 && d.rs1 === RA;
      if (!returned) return stop;
      // The instruction before was a return: go back to the call.
      const call: DebugPoint = {
        kind: 'execute',
        start: pc - 4n,
        end: pc,
        hart,
        when: (view, h) => (view.readRegister(h, X(2)) ?? 0n) === sp,
      };
      this.target.setPoints([...this.points(), call]);
      const there = await this.target.reverseContinue(o);
      return there.point === call ? { reason: 'step', hart } : there;
    });
  }

  /** Runs until a hart is at an address in the frame with this stack pointer, or an outer one. */
  private async until(hart: number, address: bigint, sp: bigint, o: MoveOptions): Promise<Stop> {
    const here: DebugPoint = {
      kind: 'execute',
      start: address,
      end: address + 1n,
      hart,
      when: (view, h) => (view.readRegister(h, X(2)) ?? 0n) >= sp,
    };
    this.target.setPoints([...this.points(), here]);
    const stop = await this.target.continue(o);
    return stop.point === here ? { reason: 'step', hart } : stop;
  }

  /** Repeats a step while the source line stays the same, when steps are by line and the line is known. */
  private async repeat(hart: number, byLine: boolean, step: () => Promise<Stop>): Promise<Stop> {
    const from = byLine ? this.knowledge.line(this.pc(hart)) : undefined;
    for (let n = 0; ; n++) {
      const stop = await step();
      if (!from || stop.reason !== 'step' || n >= MAX_STEPS) return stop;
      const now = this.knowledge.line(this.pc(hart));
      if (now && (now.line !== from.line || now.file !== from.file)) return stop;
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
