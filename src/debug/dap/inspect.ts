import { toBase64 } from '../../bytes/base64.ts';
import { disassembleRange } from '../../isa/disassemble.ts';
import { modules } from '../../linux/modules.ts';
import type { Inferior } from '../inferior.ts';
import type { Monitor } from '../monitor/monitor.ts';
import { DebugError } from '../target.ts';
import type { Arguments } from './arguments.ts';
import type { Variables } from './variables.ts';

const hex = (v: bigint): string => `0x${v.toString(16)}`;

/** Longest instruction, and the farthest backwards a listing looks, in bytes. */
const LONGEST = 4;
const MAX_LISTING = 4096;

const baseName = (path: string): string => path.replace(/^.*\//, '');
const sourceOf = (path: string): object => ({ name: baseName(path), path });

/** Answers that look at the machine without moving it. */
export class Inspector {
  private readonly monitor: Monitor;
  private readonly inferior: () => Inferior;
  private readonly variables: Variables;

  constructor(monitor: Monitor, inferior: () => Inferior, variables: Variables) {
    this.inferior = inferior;
    this.monitor = monitor;
    this.variables = variables;
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

  stackTrace(args: Arguments): object {
    const frames = this.variables.frames(this.thread(args.number('threadId')));
    const from = args.optionalNumber('startFrame') ?? 0;
    const levels = args.optionalNumber('levels') || frames.length;
    return {
      totalFrames: frames.length,
      stackFrames: frames.slice(from, from + levels).map(({ id, frame }) => {
        const { line, stack } = frame;
        return {
          id,
          name: frame.name,
          line: line?.line ?? 0,
          column: 0,
          instructionPointerReference: hex(stack.pc),
          ...this.moduleOf(stack.at),
          ...(frame.inlined ? { presentationHint: 'subtle' } : {}),
          ...(line ? { source: sourceOf(line.file) } : {}),
        };
      }),
    };
  }

  private moduleOf(address: bigint): object {
    const file = this.monitor.guestInfo.fileAt(address);
    return file ? { moduleId: file.name } : {};
  }

  /** Files with symbols, and the kernel's modules. */
  modules(args: Arguments): object {
    const { guestInfo } = this.monitor;
    const files = guestInfo.files.map((file) => ({
      id: file.name,
      name: baseName(file.name),
      path: file.name,
      addressRange: `${hex(file.start)}-${hex(file.end)}`,
      symbolStatus: file.debugInfo ? 'types and lines' : file.lines ? 'lines' : 'symbols only',
      ...(file.buildId !== undefined && { version: file.buildId }),
    }));
    const kernel = guestInfo.kernel();
    const loaded = kernel ? modules(kernel) : [];
    const all = [
      ...files,
      ...(kernel ? [{ id: 'vmlinux', name: 'vmlinux', symbolStatus: 'kallsyms and BTF' }] : []),
      ...loaded.map((m) => ({
        id: `module ${m.name}`,
        name: `${m.name}.ko`,
        symbolStatus: 'kallsyms',
        ...(m.parts[0] && { addressRange: hex(m.parts[0].base) }),
      })),
    ];
    const from = args.optionalNumber('startModule') ?? 0;
    return {
      modules: all.slice(from, from + (args.optionalNumber('moduleCount') || all.length)),
      totalModules: all.length,
    };
  }

  /** The source files that code was compiled from. */
  loadedSources(): object {
    const names = new Set(this.monitor.guestInfo.files.flatMap((file) => [...(file.lines?.sources() ?? [])]));
    return { sources: [...names].map(sourceOf) };
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
        ...(line ? { location: sourceOf(line.file), line: line.line } : {}),
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
