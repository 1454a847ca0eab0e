import { backtrace } from '../debug/backtrace.ts';
import type { GuestInfo } from '../debug/guest-info.ts';
import type { LinuxKernel } from '../linux/kernel.ts';
import { currentTask } from '../linux/tasks.ts';
import type { EngineView } from '../machine/view/engine-view.ts';
import { PC, X } from '../machine/view/machine-view.ts';
import { readNumber, readVirtual } from '../machine/view/virtual-memory.ts';
import type { ArgumentPlace, Attachment } from './attach.ts';
import type { ProbeContext } from './environment.ts';
import { textOf, type Value } from './values.ts';

const A0 = 10;
const NOBODY = { tgid: 0, pid: 0, comm: '', address: 0n };
const ARGUMENT_REGISTERS = ['orig_a0', 'a1', 'a2', 'a3', 'a4', 'a5'];

/** The machine where a probe was met, as scripts see it. What a script does not ask for is not read. */
export class MachineContext implements ProbeContext {
  private readonly view: EngineView;
  private readonly guest: GuestInfo;
  private readonly kernel: LinuxKernel | undefined;
  private readonly attachment: Attachment;
  readonly hart: number;
  private known: ProbeContext['task'] | undefined;

  constructor(view: EngineView, guest: GuestInfo, attachment: Attachment, hart: number) {
    this.view = view;
    this.guest = guest;
    this.kernel = guest.kernel();
    this.attachment = attachment;
    this.hart = hart;
  }

  get probe(): string {
    return this.attachment.probe;
  }

  get time(): bigint {
    return BigInt(this.view.engine.time);
  }

  get instructions(): number {
    return this.view.instant.instructions;
  }

  get task(): ProbeContext['task'] {
    return (this.known ??= this.readTask());
  }

  readonly x = (number: number): bigint => this.view.readRegister(this.hart, X(number)) ?? 0n;

  readonly number = (address: bigint, size: number): bigint => readNumber(this.view, this.hart, address, size) ?? 0n;

  readonly bytes = (address: bigint, length: number): Uint8Array => readVirtual(this.view, this.hart, address, length);

  readonly symbol = (address: bigint, user: boolean): string => {
    const name = user === address >> 63n > 0n ? undefined : this.guest.name(address);
    return name ?? `0x${address.toString(16)}`;
  };

  readonly stack = (user: boolean, limit: number): string => {
    const inKernel = (this.view.readRegister(this.hart, PC) ?? 0n) >> 63n === 1n;
    const frames =
      user && inKernel ? this.userFrames(limit) : this.guest.backtrace(this.hart, limit).map(({ pc }) => pc);
    const wanted = frames.filter((pc) => pc >> 63n === (user ? 0n : 1n));
    return wanted.map((pc) => `\n    ${this.symbol(pc, user)}`).join('');
  };

  argument(name: string): Value {
    const place = this.attachment.args.get(name);
    return place === undefined ? 0n : this.read(place);
  }

  private read(place: ArgumentPlace): bigint {
    const raw = this.raw(place);
    const { type } = place;
    return type.kind === 'integer' && type.signed ? BigInt.asIntN(64, raw) : BigInt.asUintN(64, raw);
  }

  private raw(place: ArgumentPlace): bigint {
    if ('result' in place) return this.x(A0);
    if ('register' in place) return this.x(A0 + place.register);
    const { kernel } = this;
    return kernel === undefined ? 0n : kernel.get('pt_regs', this.x(A0), ARGUMENT_REGISTERS[place.saved] ?? 'a6');
  }

  private readTask(): ProbeContext['task'] {
    const { kernel } = this;
    const address = currentTask(this.view, this.hart);
    if (kernel === undefined || address >> 63n === 0n) return NOBODY;
    const field = (path: string): number =>
      Number(BigInt.asIntN(32, this.number(kernel.at('task_struct', address, path), 4)));
    const { offset, size } = kernel.field('task_struct', 'comm');
    const comm = textOf(this.bytes(address + BigInt(offset), size));
    return { tgid: field('tgid'), pid: field('pid'), comm, address };
  }

  /** The program's frames while its hart is in the kernel: from the registers it came with, at the top of the task's kernel stack. */
  private userFrames(limit: number): bigint[] {
    const { kernel, guest, view, hart } = this;
    const { address } = this.task;
    if (kernel === undefined || address === 0n) return [];
    const registers = savedRegisters(kernel, address);
    const reg = (name: string): bigint => kernel.get('pt_regs', registers, name);
    const unwinding = {
      read: (at: bigint, length: number) => readVirtual(view, hart, at, length),
      functionStart: (at: bigint) => guest.near(at)?.start,
    };
    const known = new Map([
      [1, reg('ra')],
      [2, reg('sp')],
      [8, reg('s0')],
    ]);
    return backtrace(unwinding, reg('epc'), (n) => known.get(n), limit).map(({ pc }) => pc);
  }
}

/** Address of the pt_regs of a task that came from user mode: THREAD_SIZE above its stack's lowest address, less its size rounded to 16. */
function savedRegisters(kernel: LinuxKernel, task: bigint): bigint {
  const stack = kernel.get('task_struct', task, 'stack');
  const size = BigInt(kernel.btf.sizeOf(kernel.btf.struct('pt_regs')) + 15) & ~15n;
  return stack + THREAD_SIZE - size;
}

/** Bytes of a kernel stack: four pages (Linux arch/riscv/include/asm/thread_info.h, without KASAN). */
const THREAD_SIZE = 4n * 4096n;
