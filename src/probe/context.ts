import type { GuestInfo } from '../debug/guest-info.ts';
import type { LinuxKernel } from '../linux/kernel.ts';
import { currentOn, currentTask, type TaskNames } from '../linux/tasks.ts';
import type { EngineView } from '../machine/view/engine-view.ts';
import { X } from '../machine/view/machine-view.ts';
import { readNumber, readVirtual } from '../machine/view/virtual-memory.ts';
import type { ArgumentPlace, Attachment } from './attach.ts';
import type { ProbeContext } from './environment.ts';
import type { ProgramSymbols } from './program-symbols.ts';
import type { Value } from './values.ts';

const A0 = 10;
const ARGUMENT_REGISTERS = ['orig_a0', 'a1', 'a2', 'a3', 'a4', 'a5'];

/** The machine where a probe was met, as scripts see it. What a script does not ask for is not read. */
export class MachineContext implements ProbeContext {
  private readonly view: EngineView;
  private readonly guest: GuestInfo;
  private readonly kernel: LinuxKernel | undefined;
  private readonly programs: ProgramSymbols | undefined;
  private readonly names: TaskNames | undefined;
  private readonly attachment: Attachment;
  readonly hart: number;
  private known: bigint | undefined;

  constructor(
    view: EngineView,
    guest: GuestInfo,
    kernel: LinuxKernel | undefined,
    programs: ProgramSymbols | undefined,
    names: TaskNames | undefined,
    attachment: Attachment,
    hart: number,
  ) {
    this.view = view;
    this.guest = guest;
    this.programs = programs;
    this.names = names;
    this.kernel = kernel;
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

  get task(): bigint {
    if (this.known === undefined) {
      const address = currentTask(this.view, this.hart);
      // Before the kernel has set it up, it is nobody.
      this.known = this.names === undefined || address >> 63n === 0n ? 0n : address;
    }
    return this.known;
  }

  get tgid(): number {
    return this.task === 0n ? 0 : this.names!.tgid(this.task);
  }

  get pid(): number {
    return this.task === 0n ? 0 : this.names!.pid(this.task);
  }

  get comm(): string {
    return this.task === 0n ? '' : this.names!.comm(this.task);
  }

  readonly x = (number: number): bigint => this.view.readRegister(this.hart, X(number)) ?? 0n;

  readonly number = (address: bigint, size: number): bigint => readNumber(this.view, this.hart, address, size) ?? 0n;

  readonly bytes = (address: bigint, length: number): Uint8Array => readVirtual(this.view, this.hart, address, length);

  readonly symbol = (address: bigint, user: boolean): string => {
    const wanted = user !== address >> 63n > 0n;
    const name = wanted ? (user ? this.program() : this.guest).name(address) : undefined;
    return name ?? hex(address);
  };

  readonly stack = (user: boolean, limit: number): string => {
    if (!user) {
      const frames = this.guest.backtrace(this.hart, limit).filter(({ pc }) => pc >> 63n === 1n);
      return frames.map((frame) => `\n    ${this.guest.frameName(frame) ?? hex(frame.pc)}`).join('');
    }
    const task = this.kernel && currentOn(this.kernel, this.hart);
    if (task === undefined) return '';
    const program = this.program();
    const frames = program.taskBacktrace(task).user.slice(0, limit);
    return frames.map((frame) => `\n    ${program.frameName(frame) ?? hex(frame.pc)}`).join('');
  };

  /** The guest with the symbols of the program that runs here. */
  private program(): GuestInfo {
    const task = this.kernel && currentOn(this.kernel, this.hart);
    return task === undefined || this.programs === undefined ? this.guest : this.programs.of(task);
  }

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
}

const hex = (address: bigint): string => `0x${address.toString(16)}`;
