import { toBase64 } from '../../bytes/base64.ts';
import { disassembleRange } from '../../isa/disassemble.ts';
import { CSR_NAMES, csrName, FLOAT_REGISTERS, INTEGER_REGISTERS, PRIVILEGES } from '../../isa/names.ts';
import { CSR, F, PC, PRV, type RegisterId, X } from '../../machine/view/machine-view.ts';
import { formatInstant } from '../../record/divergence.ts';
import type { Inferior } from '../inferior.ts';
import type { Monitor } from '../monitor/monitor.ts';
import { DebugError, type DebugTarget } from '../target.ts';
import type { Arguments } from './arguments.ts';

const hex = (v: bigint): string => `0x${v.toString(16)}`;

/** Frames of a thread are numbered thread × FRAMES + depth. */
const FRAMES = 1000;
const GROUPS = ['Integer registers', 'Floating-point registers', 'Control registers', 'Machine'] as const;
/** Longest instruction, and the farthest backwards a listing looks, in bytes. */
const LONGEST = 4;
const MAX_LISTING = 4096;

/** Answers that look at the machine without moving it. */
export class Inspector {
  private readonly target: DebugTarget;
  private readonly monitor: Monitor;
  private readonly inferior: () => Inferior;

  constructor(target: DebugTarget, monitor: Monitor, inferior: () => Inferior) {
    this.target = target;
    this.inferior = inferior;
    this.monitor = monitor;
  }

  threads(): object {
    const process = this.inferior().pid !== undefined;
    return {
      threads: this.inferior()
        .threads()
        .map(({ id, name, note }) => ({ id, name: process ? `${id} ${name}: ${note}` : `${name}: ${note}` })),
    };
  }

  /** @throws DebugError when there is no such thread */
  thread(id: number): number {
    if (
      !this.inferior()
        .threads()
        .some((t) => t.id === id)
    )
      throw new DebugError(`there is no thread ${id}`);
    return id;
  }

  /** The thread a frame is of. */
  threadOfFrame(frameId: number | undefined): number {
    return frameId === undefined ? this.inferior().activeThread() : this.thread(Math.floor(frameId / FRAMES));
  }

  stackTrace(args: Arguments): object {
    const thread = this.thread(args.number('threadId'));
    const { guestInfo } = this.monitor;
    const frames = this.inferior().backtrace(thread);
    const from = args.optionalNumber('startFrame') ?? 0;
    const levels = args.optionalNumber('levels') || frames.length;
    return {
      totalFrames: frames.length,
      stackFrames: frames.slice(from, from + levels).map((frame, i) => {
        const line = guestInfo.line(frame.at);
        return {
          id: thread * FRAMES + Math.min(from + i, FRAMES - 1),
          name: guestInfo.frameName(frame) ?? hex(frame.pc),
          line: line?.line ?? 0,
          column: 0,
          instructionPointerReference: hex(frame.pc),
          ...(line ? { source: { name: line.file.replace(/^.*\//, ''), path: line.file } } : {}),
        };
      }),
    };
  }

  scopes(args: Arguments): object {
    const thread = this.threadOfFrame(args.number('frameId'));
    return {
      scopes: GROUPS.map((name, group) => ({
        name,
        variablesReference: (thread - 1) * GROUPS.length + group + 1,
        expensive: group > 0,
        ...(group < 3 ? { presentationHint: 'registers' } : {}),
      })),
    };
  }

  variables(args: Arguments): object {
    const reference = args.number('variablesReference') - 1;
    const thread = this.thread(Math.floor(reference / GROUPS.length) + 1);
    const variable = (name: string, value: string, address?: bigint): object => ({
      name,
      value,
      variablesReference: 0,
      ...(address === undefined ? {} : { memoryReference: hex(address) }),
    });
    const register = (name: string, id: RegisterId): object[] => {
      const v = this.inferior().readRegister(thread, id);
      if (v === undefined) return [];
      const symbol = this.monitor.guestInfo.name(v);
      return [variable(name, hex(v) + (symbol === undefined ? '' : ` <${symbol}>`), v)];
    };
    switch (reference % GROUPS.length) {
      case 0:
        return { variables: [...register('pc', PC), ...INTEGER_REGISTERS.flatMap((n, i) => register(n, X(i)))] };
      case 1:
        return { variables: FLOAT_REGISTERS.flatMap((n, i) => register(n, F(i))) };
      case 2:
        return { variables: [...CSR_NAMES.keys()].flatMap((n) => register(csrName(n), CSR(n))) };
      default: {
        const prv = Number(this.inferior().readRegister(thread, PRV)) as keyof typeof PRIVILEGES;
        return {
          variables: [
            variable('instant', formatInstant(this.target.instant)),
            variable('begin', formatInstant(this.target.mover.begin)),
            variable('end', formatInstant(this.target.mover.end)),
            variable('privilege', PRIVILEGES[prv] ?? '?'),
            variable('process', this.monitor.hartNote(this.inferior().hartOf(thread)) || 'unknown'),
          ],
        };
      }
    }
  }

  /** The group of registers a reference is of, as names to registers. */
  threadOfReference(reference: number): number {
    return this.thread(Math.floor((reference - 1) / GROUPS.length) + 1);
  }

  readMemory(args: Arguments): object {
    const address = BigInt.asUintN(64, args.address('memoryReference') + BigInt(args.optionalNumber('offset') ?? 0));
    const count = Math.min(Math.max(0, args.number('count')), 1 << 20);
    const bytes = this.inferior().readMemory(this.inferior().activeThread(), address, count);
    return { address: hex(address), unreadableBytes: count - bytes.length, data: toBase64(bytes) };
  }

  disassemble(args: Arguments): object {
    const thread = this.inferior().activeThread();
    const { guestInfo } = this.monitor;
    const base = BigInt.asUintN(64, args.address('memoryReference') + BigInt(args.optionalNumber('offset') ?? 0));
    const skip = Math.trunc(args.optionalNumber('instructionOffset') ?? 0);
    const count = Math.min(Math.max(0, args.number('instructionCount')), MAX_LISTING);
    const symbol = args.flag('resolveSymbols') ? (a: bigint): string | undefined => guestInfo.name(a) : undefined;
    const before = skip < 0 ? this.before(thread, base, -skip) : [];
    const bytes = this.inferior().readMemory(thread, base, (count + Math.max(0, skip)) * LONGEST);
    const after = disassembleRange(bytes, base, count + Math.max(0, skip), { symbol });
    const all = [...before, ...after.slice(Math.max(0, skip))].slice(0, count);
    const instructions: object[] = all.map((i) => {
      const line = guestInfo.line(i.address);
      return {
        address: hex(i.address),
        instruction: i.text,
        instructionBytes: i.word.toString(16).padStart(i.length * 2, '0'),
        ...(guestInfo.near(i.address)?.offset === 0 ? { symbol: guestInfo.name(i.address) } : {}),
        ...(line ? { location: { name: line.file.replace(/^.*\//, ''), path: line.file }, line: line.line } : {}),
      };
    });
    // The protocol wants exactly as many as asked for.
    let next = all.length > 0 ? all[all.length - 1].address + BigInt(all[all.length - 1].length) : base;
    while (instructions.length < count) {
      instructions.push({
        address: hex(BigInt.asUintN(64, next)),
        instruction: 'unreadable',
        presentationHint: 'invalid',
      });
      next += 2n;
    }
    return { instructions };
  }

  /** The instructions before an address: counted from the function's beginning, or guessed where none is known. */
  private before(thread: number, base: bigint, count: number): ReturnType<typeof disassembleRange> {
    const start = this.monitor.guestInfo.near(base - 1n)?.start;
    const from = start !== undefined && base - start <= BigInt(MAX_LISTING) ? start : base - BigInt(count * LONGEST);
    const list = disassembleRange(this.inferior().readMemory(thread, from, Number(base - from)), from, Infinity);
    const tail = list.slice(-count);
    if (tail.length === count || from === 0n) return tail;
    const more = disassembleRange(
      this.inferior().readMemory(thread, from - BigInt(count * LONGEST), count * LONGEST),
      from - BigInt(count * LONGEST),
      Infinity,
    );
    return [...more, ...list].slice(-count);
  }
}
