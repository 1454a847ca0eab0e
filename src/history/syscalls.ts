import type { LinuxKernel } from '../linux/kernel.ts';
import { readSyscalls, type SyscallType } from '../linux/syscalls.ts';
import { currentTask } from '../linux/tasks.ts';
import { readNumber, readVirtual } from '../machine/view/virtual-memory.ts';
import type { Instant } from '../record/door.ts';
import type { MoveOptions } from '../timeline/driver.ts';
import type { MoveResult, Mover } from '../timeline/mover.ts';
import { Tracer } from './tracer.ts';

/** A system call that a program of the guest made. */
export interface SyscallRecord {
  readonly pid: number;
  readonly tid: number;
  readonly comm: string;
  /** `openat`; `syscall_9999` for one the kernel does not have. */
  readonly name: string;
  readonly number: number;
  readonly parameters: SyscallType['parameters'];
  /** The six argument registers, unsigned. */
  readonly args: readonly bigint[];
  /** Bytes of texts and of what was written, by argument; what could be read when the call began, otherwise when it ended. */
  readonly memory: ReadonlyMap<number, Uint8Array>;
  /** Lists of texts, by argument: a program's arguments and its environment. */
  readonly lists: ReadonlyMap<number, readonly Uint8Array[]>;
  /** Signed; undefined while the call has not returned: it never did, or not within the recording. */
  readonly result: bigint | undefined;
  readonly begin: Instant;
  readonly end: Instant | undefined;
  /** Guest time in nanoseconds. */
  readonly beginTime: number;
  readonly endTime: number | undefined;
}

const LONGEST_TEXT = 4096;
const LONGEST_BUFFER = 4096;
const MOST_TEXTS = 1024;
/** Names that programs know calls by, where the kernel's functions have others. */
const USER_NAMES: Readonly<Record<string, string>> = {
  newfstat: 'fstat',
  newuname: 'uname',
  sendfile64: 'sendfile',
  fadvise64_64: 'fadvise64',
};
/** Calls whose argument 1 holds as many bytes as argument 2 says, before; and those that fill it with as many as they return. */
const WRITES = new Set(['write', 'pwrite64', 'sendto']);
const READS = new Set(['read', 'pread64', 'recvfrom', 'getrandom', 'getcwd', 'readlinkat']);
/** Where the buffer and its size are, where that is not 1 and 2. */
const BUFFERS: Readonly<Record<string, readonly [buffer: number, size: number]>> = {
  getrandom: [0, 1],
  getcwd: [0, 1],
  readlinkat: [2, 3],
};

type Open = { -readonly [K in keyof SyscallRecord]: SyscallRecord[K] } & { readonly registers: bigint };

/** Decides by thread and name which calls are kept. */
export type Wanted = (call: Pick<SyscallRecord, 'pid' | 'tid' | 'comm' | 'name'>) => boolean;

/**
 * Has a replay report every system call when it returns. The kernel's dispatcher do_trap_ecall_u() is watched (Linux
 * arch/riscv/kernel/traps.c).
 * @returns what reports the calls that have not returned when the replay ends @throws RangeError when the kernel has no such function
 */
export function traceSyscalls(tracer: Tracer, report: (call: SyscallRecord) => void, wanted: Wanted): () => void {
  const { kernel, view } = tracer;
  const types = new Map<number, SyscallType>();
  for (const type of readSyscalls(kernel)) types.set(type.number, type);
  const open = new Map<bigint, Open>();

  const began = (hart: number): void => {
    const task = currentTask(view, hart);
    const who = tracer.who(hart);
    const registers = tracer.argument(hart, 0);
    const saved = (name: string): bigint => kernel.get('pt_regs', registers, name);
    const number = Number(BigInt.asIntN(64, saved('a7')));
    const type = types.get(number);
    const name = USER_NAMES[type?.name ?? ''] ?? type?.name ?? `syscall_${number}`;
    if (!wanted({ ...who, name })) return;
    const args = ['a0', 'a1', 'a2', 'a3', 'a4', 'a5'].map(saved);
    const record: Open = {
      ...who,
      name,
      number,
      parameters: type?.parameters ?? args.map((_, i) => ({ name: `arg${i}`, type: 'long' })),
      args,
      memory: new Map(),
      lists: new Map(),
      result: undefined,
      begin: tracer.at,
      end: undefined,
      beginTime: tracer.time,
      endTime: undefined,
      registers,
    };
    record.memory = inputs(record, hart);
    record.lists = lists(record, hart);
    // The thread that was this task before ended in its call.
    const former = open.get(task);
    if (former !== undefined) report(former);
    open.set(task, record);
    tracer.returned(hart, (after) => ended(record, task, after));
  };

  const resultOf = (call: Open): bigint => BigInt.asIntN(64, kernel.get('pt_regs', call.registers, 'a0'));
  // On the way out a signal may replace what the call returned: by its handler's argument, or by the call's own for its restart.
  tracer.on('syscall_exit_to_user_mode', (hart) => {
    const call = open.get(currentTask(view, hart));
    // A new thread leaves by here too, perhaps with the memory of one that ended in its call.
    if (call?.registers === tracer.argument(hart, 0) && call.tid === tracer.who(hart).tid) call.result = resultOf(call);
  });

  const ended = (call: Open, task: bigint, hart: number): void => {
    open.delete(task);
    call.result ??= resultOf(call);
    call.end = tracer.at;
    call.endTime = tracer.time;
    // What was not in memory yet when the call began is there now, but not where another program took the memory over.
    if (call.name !== 'execve')
      for (const [at, bytes] of inputs(call, hart))
        if (!call.memory.has(at)) (call.memory as Map<number, Uint8Array>).set(at, bytes);
    if (READS.has(call.name) && call.result > 0n) {
      const [at] = BUFFERS[call.name] ?? [1];
      const length = Math.min(Number(call.result), LONGEST_BUFFER);
      (call.memory as Map<number, Uint8Array>).set(at, readVirtual(view, hart, call.args[at]!, length));
    }
    report(call);
  };

  const inputs = (call: Open, hart: number): Map<number, Uint8Array> => {
    const found = new Map<number, Uint8Array>();
    for (const [i, { type }] of call.parameters.entries()) {
      if (!/^const char\s*\*$/.test(type) || WRITES.has(call.name)) continue;
      const bytes = readVirtual(view, hart, call.args[i]!, LONGEST_TEXT);
      const end = bytes.indexOf(0);
      if (end >= 0) found.set(i, bytes.subarray(0, end));
    }
    if (WRITES.has(call.name)) {
      const bytes = readVirtual(view, hart, call.args[1]!, Math.min(Number(call.args[2]), LONGEST_BUFFER));
      if (bytes.length > 0 || call.args[2] === 0n) found.set(1, bytes);
    }
    return found;
  };

  /** Lists of pointers to texts that end with a null pointer; one that is not whole in memory is left out. */
  const lists = (call: Open, hart: number): Map<number, Uint8Array[]> => {
    const found = new Map<number, Uint8Array[]>();
    for (const [i, { type }] of call.parameters.entries()) {
      if (!/^const char\s*\*\s*const\s*\*$/.test(type)) continue;
      const texts: Uint8Array[] = [];
      for (let at = call.args[i]!; texts.length < MOST_TEXTS; at += 8n) {
        const pointer = readNumber(view, hart, at, 8);
        if (pointer === 0n) found.set(i, texts);
        const bytes =
          pointer === undefined || pointer === 0n ? undefined : readVirtual(view, hart, pointer, LONGEST_TEXT);
        const end = bytes?.indexOf(0) ?? -1;
        if (bytes === undefined || end < 0) break;
        texts.push(bytes.subarray(0, end));
      }
    }
    return found;
  };

  if (!tracer.on('do_trap_ecall_u', began)) throw new RangeError('the kernel has no function do_trap_ecall_u');
  return () => {
    for (const call of open.values()) report(call);
  };
}

/**
 * Replays from where the mover is and reports every system call when it returns; at the end those that did not.
 * @throws RangeError when the kernel does not have the function that is watched
 */
export async function syscallHistory(
  mover: Mover,
  kernel: LinuxKernel,
  report: (call: SyscallRecord) => void,
  { wanted = () => true, ...options }: MoveOptions & { readonly wanted?: Wanted } = {},
): Promise<MoveResult['reason']> {
  const tracer = new Tracer(mover, kernel);
  const rest = traceSyscalls(tracer, report, wanted);
  const reason = await tracer.run({ instructions: Infinity }, options);
  rest();
  return reason;
}
