import type { Decoded } from '../../isa/decode.ts';
import { disassembleRange } from '../../isa/disassemble.ts';
import { PC, X } from '../../machine/view/machine-view.ts';
import { nextInstruction } from '../../machine/view/next-access.ts';
import type { Breakpoint } from '../../timeline/breakpoints.ts';
import type { GuestInfo } from '../guest-info.ts';
import type { Inferior, InferiorMove, InferiorStop } from '../inferior.ts';

/** Options of moves: the signal and progress. */
export type StepperOptions = Omit<InferiorMove, 'points' | 'watch' | 'range' | 'fromHere'>;

type Range = readonly [bigint, bigint];

const RA = 1;
const A0 = 10;
/** Where glibc's jmp_buf for RISC-V has what counts here (sysdeps/riscv/bits/setjmp.h). */
const JUMP_BUFFER = { pc: 0, sp: 104, length: 112 } as const;

/** Steps as people mean them: over calls, out of functions, by source line, in both directions. */
export class Stepper {
  private readonly inferior: () => Inferior;
  private readonly guestInfo: GuestInfo;
  private readonly points: () => readonly Breakpoint[];

  constructor(inferior: () => Inferior, guestInfo: GuestInfo, points: () => readonly Breakpoint[]) {
    this.inferior = inferior;
    this.guestInfo = guestInfo;
    this.points = points;
  }

  in(thread: number, byLine: boolean, o: StepperOptions): Promise<InferiorStop> {
    return this.byLine(thread, byLine, o, (range) => this.forward(thread, range, this.points(), o));
  }

  over(thread: number, byLine: boolean, o: StepperOptions): Promise<InferiorStop> {
    return this.byLine(thread, byLine, o, async (range) => {
      const d = this.instruction(thread);
      if (d && isCall(d)) return this.until(thread, this.pc(thread) + BigInt(d.length), this.sp(thread), o);
      const calls = range ? this.calls(thread, range) : [];
      const end = await this.forward(thread, range, [...this.points(), ...calls], o);
      return end.hit && calls.includes(end.hit.point) ? arrived(thread) : end;
    });
  }

  /** To the instruction after the call of this function. */
  async out(thread: number, o: StepperOptions): Promise<InferiorStop> {
    const caller = this.inferior().backtrace(thread, 2)[1];
    return caller ? this.until(thread, caller.pc, caller.sp, o) : this.in(thread, false, o);
  }

  /** One instruction or line back, over calls. */
  back(thread: number, byLine: boolean, o: StepperOptions): Promise<InferiorStop> {
    const inferior = this.inferior();
    return this.byLine(thread, byLine, o, async (range) => {
      const pc = this.pc(thread);
      const sp = this.sp(thread);
      const end = await inferior.reverseStep(thread, { ...o, points: this.points(), ...(range && { range }) });
      const d = end.reason === 'there' ? this.instruction(thread) : undefined;
      const returned = d?.row.name === 'jalr' && d.rd === 0 && d.rs1 === RA;
      if (!returned) return end;
      // The instruction before was a return: go back to its call.
      const [from, to] = range ? [range[0] - 4n, range[1]] : [pc - 4n, pc];
      const call = inferior.onlyOn(
        {
          kind: 'execute',
          start: from,
          end: to,
          when: (view, h) => (view.readRegister(h, X(2)) ?? 0n) === sp,
        },
        thread,
      );
      const there = await inferior.reverseContinue({ ...o, points: [...this.points(), call] });
      return there.hit?.point === call ? arrived(thread) : there;
    });
  }

  private forward(
    thread: number,
    range: Range | undefined,
    points: readonly Breakpoint[],
    o: StepperOptions,
  ): Promise<InferiorStop> {
    return this.inferior().step(thread, { ...o, points, watch: 'after', ...(range && { range }) });
  }

  /** Runs until a thread is at an address in the frame with this stack pointer, or an outer one. */
  private async until(thread: number, address: bigint, sp: bigint, o: StepperOptions): Promise<InferiorStop> {
    const inferior = this.inferior();
    const here = inferior.onlyOn(
      {
        kind: 'execute',
        start: address,
        end: address + 1n,
        when: (view, h) => (view.readRegister(h, X(2)) ?? 0n) >= sp,
      },
      thread,
    );
    const jumps = longJumps(this.guestInfo).map((start) =>
      inferior.onlyOn({ kind: 'execute', start, end: start + 1n }, thread),
    );
    for (;;) {
      const end = await inferior.continue({ ...o, points: [...this.points(), here, ...jumps], watch: 'after' });
      if (end.hit?.point === here) return arrived(thread);
      if (end.hit === undefined || !jumps.includes(end.hit.point)) return end;
      // The frame is left by longjmp(3), unless it leads to one that this frame called.
      const buffer = inferior.readRegister(thread, X(A0)) ?? 0n;
      const saved = inferior.readMemory(thread, buffer, JUMP_BUFFER.length);
      if (saved.length < JUMP_BUFFER.length) continue;
      const view = new DataView(saved.buffer, saved.byteOffset);
      const to = view.getBigUint64(JUMP_BUFFER.sp, true);
      if (to >= sp) return this.until(thread, view.getBigUint64(JUMP_BUFFER.pc, true), to, o);
    }
  }

  /** Repeats a step through the instructions of a line until the line is another, when steps are by line and the line is known. */
  private async byLine(
    thread: number,
    byLine: boolean,
    { signal }: StepperOptions,
    step: (range: Range | undefined) => Promise<InferiorStop>,
  ): Promise<InferiorStop> {
    const from = byLine ? this.guestInfo.line(this.pc(thread)) : undefined;
    for (;;) {
      const pc = this.pc(thread);
      const line = this.guestInfo.line(pc);
      const same = from !== undefined && line?.line === from.line && line.file === from.file;
      const end = await step(same ? this.guestInfo.lineRange(pc) : undefined);
      if (!from || end.reason !== 'there') return end;
      const now = this.guestInfo.line(this.pc(thread));
      if (now && (now.line !== from.line || now.file !== from.file)) return end;
      if (signal?.aborted) return { ...end, reason: 'interrupted' };
    }
  }

  /** Breakpoints at the calls in a range. */
  private calls(thread: number, [start, end]: Range): Breakpoint[] {
    const inferior = this.inferior();
    const code = inferior.readMemory(thread, start, Number(end - start));
    return disassembleRange(code, start, Infinity)
      .filter(({ decoded }) => decoded !== undefined && isCall(decoded))
      .map(({ address }) => inferior.onlyOn({ kind: 'execute', start: address, end: address + 1n }, thread));
  }

  private pc(thread: number): bigint {
    return this.inferior().readRegister(thread, PC) ?? 0n;
  }

  private sp(thread: number): bigint {
    return this.inferior().readRegister(thread, X(2)) ?? 0n;
  }

  private instruction(thread: number): Decoded | undefined {
    const { view, hart } = this.inferior().view(thread);
    return nextInstruction(view, hart);
  }
}

const isCall = ({ row, rd }: Decoded): boolean => (row.name === 'jal' || row.name === 'jalr') && rd === RA;

/** Where glibc's functions begin that leave a frame by a jump; empty for programs of other C libraries. */
function longJumps(guest: GuestInfo): bigint[] {
  if (guest.address('gnu_get_libc_version') === undefined && guest.address('_IO_2_1_stdout_') === undefined) return [];
  const found = ['longjmp', '_longjmp', 'siglongjmp', '__longjmp_chk'].map((name) => guest.address(name));
  return [...new Set(found.filter((address) => address !== undefined && address >> 63n === 0n))] as bigint[];
}

/** A point of the stepper's own was met: the step is made. */
const arrived = (thread: number): InferiorStop => ({ reason: 'there', thread });
