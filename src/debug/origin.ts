import { disassemble } from '../isa/disassemble.ts';
import { findTask, type Task } from '../linux/tasks.ts';
import { type MachineView, PC, type RegisterId } from '../machine/view/machine-view.ts';
import { nextInstruction } from '../machine/view/next-access.ts';
import type { Resolve } from '../machine/view/page-table.ts';
import { readVirtual, resolver } from '../machine/view/virtual-memory.ts';
import type { Instant } from '../record/door.ts';
import type { Breakpoint } from '../timeline/breakpoints.ts';
import type { MoveOptions } from '../timeline/driver.ts';
import type { FoundAccess, RamRange } from '../timeline/last-access.ts';
import type { Mover } from '../timeline/mover.ts';
import type { GuestInfo } from './guest-info.ts';
import { guestOnHart } from './process-symbols.ts';
import { piecePoints, pieceRange, ramPieces } from './ram-pieces.ts';
import { DebugError } from './target.ts';

/** Most bytes that are asked about at once. */
const LONGEST_QUESTION = 4096;
const FRAMES = 16;

/** What is asked about. */
export interface OriginQuestion {
  readonly kind: 'write' | 'read';
  readonly address: bigint;
  /** Bytes, 1 to {@link LONGEST_QUESTION}. */
  readonly length: number;
  /** Whose address it is: as this process sees it now, or `physical`; otherwise as the hart does whose turn it is. */
  readonly space?: { readonly process: number } | { readonly hart: number } | 'physical';
}

/** Where something came from: an access to memory, or an instruction that set a register. */
export interface AccessOrigin {
  /** Right before it. */
  readonly at: Instant;
  /** Guest time in nanoseconds. */
  readonly time: number;
  readonly hart: number;
  /** The device that wrote; `machine` for firmware and what is loaded at power-on. Everything but the bytes then says what the hart was at. */
  readonly device?: string;
  readonly pc: bigint;
  /** The place of the code: hexadecimal, symbol, source line. */
  readonly place: string;
  readonly instruction: string;
  /** Who ran on the hart, where the guest is a Linux. */
  readonly process?: { readonly pid: number; readonly tid: number; readonly comm: string };
  /** The bytes asked about, or the register's value as eight of them, before and after. */
  readonly before: Uint8Array;
  readonly after: Uint8Array;
  /** The callers, innermost first. */
  readonly stack: readonly string[];
}

/** Finds where a guest's memory and registers got what they hold. Every question leaves the machine where it is. */
export class Origins {
  private readonly mover: Mover;
  private readonly guest: GuestInfo;

  constructor(mover: Mover, guest: GuestInfo) {
    this.mover = mover;
    this.guest = guest;
  }

  /**
   * The last access to memory before this instant, by whatever address it was made: a program's, the kernel's own of the same memory, or a device's.
   * @returns undefined when there was none, `interrupted` when the signal ended the search
   * @throws DebugError when there is no such address or process here
   */
  async lastAccess(
    question: OriginQuestion,
    options: MoveOptions = {},
  ): Promise<AccessOrigin | 'interrupted' | undefined> {
    const { read } = this.watched(question);
    const found = await this.findAccess(question, options);
    if (found === undefined || found === 'interrupted') return found;
    return this.returning(() => this.describe(found, read));
  }

  /** {@link lastAccess}, without a description. Leaves the machine where it is. */
  findAccess(question: OriginQuestion, options: MoveOptions = {}): Promise<FoundAccess | 'interrupted' | undefined> {
    const { points, ranges } = this.watched(question);
    return this.mover.lastAccess(points, question.kind === 'write' ? ranges : [], options);
  }

  /** The instruction at an address of a hart, as text. */
  instructionAt(hart: number, pc: bigint): string {
    return instructionText(this.mover.view, hart, pc);
  }

  /**
   * The next access of a hart to memory from this instant on, by whatever address it is made. What devices do is not looked for.
   * @returns undefined when there is none, `interrupted` when the signal ended the search
   * @throws DebugError when there is no such address or process here
   */
  async nextAccess(
    question: OriginQuestion,
    options: MoveOptions = {},
  ): Promise<AccessOrigin | 'interrupted' | undefined> {
    const { points, read } = this.watched(question);
    return this.returning(async () => {
      const { reason, hit } = await this.mover.continue(points, { ...options, fromHere: true });
      if (reason === 'interrupted') return 'interrupted';
      return hit && this.describe({ at: hit.at, hart: hit.hart, hit }, read);
    });
  }

  /** The memory that a question is about: what is met where it is touched, where it lies in RAM, and its contents. */
  private watched({ kind, address, length, space }: OriginQuestion): {
    readonly points: readonly Breakpoint[];
    readonly ranges: readonly RamRange[];
    readonly read: () => Uint8Array;
  } {
    const { mover, guest } = this;
    if (!(Number.isInteger(length) && length >= 1 && length <= LONGEST_QUESTION))
      throw new DebugError(`${length} is no length: expected 1 … ${LONGEST_QUESTION} bytes`);
    const { resolve, who } = this.space(space);
    const pieces = ramPieces(guest, resolve, address, length, who);
    return {
      points: pieces.flatMap((piece) => piecePoints(piece, kind)),
      ranges: pieces.map((piece) => pieceRange(piece, guest.view)),
      read: () => {
        const out = new Uint8Array(length);
        let done = 0;
        for (const piece of pieces) {
          out.set(mover.view.readPhysical(piece.physical, Number(piece.length)), done);
          done += Number(piece.length);
        }
        return out;
      },
    };
  }

  /**
   * The last instruction of a hart before this instant that set one of its registers.
   * @returns undefined when there was none, `interrupted` when the signal ended the search
   */
  async lastRegisterWrite(
    hart: number,
    register: RegisterId,
    options: MoveOptions = {},
  ): Promise<AccessOrigin | 'interrupted' | undefined> {
    const { mover } = this;
    if (register.kind !== 'x' && register.kind !== 'f')
      throw new DebugError('only integer and floating-point registers are followed: x0 … x31, f0 … f31, by any name');
    const sets = (view: MachineView, h: number): boolean => setsRegister(view, h, register);
    return this.returning(async () => {
      const { reason, hit } = await mover.reverseContinue({ when: sets, hart }, { ...options, near: true });
      if (reason === 'interrupted') return 'interrupted';
      if (hit === undefined) return undefined;
      const read = (): Uint8Array => {
        const bytes = new Uint8Array(8);
        new DataView(bytes.buffer).setBigUint64(0, mover.view.readRegister(hart, register) ?? 0n, true);
        return bytes;
      };
      return this.describe({ at: hit.at, hart: hit.hart, hit }, read);
    });
  }

  private async returning<T>(work: () => Promise<T>): Promise<T> {
    const { at } = this.mover;
    try {
      return await work();
    } finally {
      await this.mover.seek(at);
    }
  }

  /** Looks at a place. Moves. */
  private async describe({ at, hart, device }: FoundAccess, read: () => Uint8Array): Promise<AccessOrigin> {
    const { mover, guest } = this;
    const { view } = mover;
    await mover.seek(at);
    const before = read();
    if (device === undefined) await mover.align();
    const here = await guestOnHart(guest, hart);
    const pc = view.readRegister(hart, PC) ?? 0n;
    const task = guest.current(hart);
    const origin = {
      at,
      time: view.engine.time,
      hart,
      ...(device !== undefined && { device }),
      pc,
      place: here.describe(pc),
      instruction: instructionText(view, hart, pc),
      ...(task && { process: { pid: task.tgid, tid: task.pid, comm: task.name } }),
      before,
      stack: here.backtrace(hart, FRAMES).map((frame) => here.describeFrame(frame)),
    };
    if (device !== undefined) await mover.seek({ instructions: at.instructions, sequence: at.sequence + 1 });
    if (device === undefined || same(read(), before)) await mover.step(1);
    return { ...origin, after: read() };
  }

  private space(space: OriginQuestion['space']): { readonly resolve: Resolve; readonly who: string } {
    const { guest, mover } = this;
    if (space === 'physical') return { resolve: (address) => address, who: '' };
    if (space === undefined || 'hart' in space) {
      const hart = space?.hart ?? mover.view.activeHart();
      return { resolve: resolver(mover.view, hart), who: ` for hart ${hart}` };
    }
    const kernel = guest.kernel();
    if (kernel === undefined)
      throw new DebugError('no Linux kernel with kallsyms and BTF is in memory at this instant: seek to a later one');
    const task: Task | undefined = findTask(kernel, space.process);
    if (task === undefined) throw new DebugError(`there is no process ${space.process} at this instant`);
    const own = task.mm === 0n ? undefined : guest.userAddresses(kernel, task);
    return {
      resolve: (address) => (address >> 63n === 1n ? kernel.resolve(address) : own?.(address)),
      who: ` in ${task.name} (${task.pid})`,
    };
  }
}

const same = (a: Uint8Array, b: Uint8Array): boolean => a.every((byte, i) => byte === b[i]);

/** Whether the next instruction of a hart sets a register, as its row tells it. */
export function setsRegister(
  view: MachineView,
  hart: number,
  register: Extract<RegisterId, { number: number }>,
): boolean {
  const d = nextInstruction(view, hart);
  if (d === undefined || d.rd !== register.number) return false;
  return d.row.syntax.split(', ').includes(register.kind === 'x' ? 'rd' : 'fd');
}

/** The instruction at an address of a hart. */
function instructionText(view: MachineView, hart: number, pc: bigint): string {
  const bytes = readVirtual(view, hart, pc, 4);
  if (bytes.length < 2) return 'not mapped';
  const word = bytes.reduce((sum, byte, i) => sum + byte * 2 ** (8 * i), 0) >>> 0;
  return disassemble(word, pc).text;
}
