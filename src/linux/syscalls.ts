import type { LinuxKernel } from './kernel.ts';

/** A system call as the kernel's own tracing describes it. */
export interface SyscallType {
  /** Without `sys_`. */
  readonly name: string;
  /** -1 for one that this architecture's table does not hold. */
  readonly number: number;
  /** Arguments in order, their types as written in C. */
  readonly parameters: readonly { readonly name: string; readonly type: string }[];
}

const RECORD = '__syscall_meta__';
/** More than any table has (include/uapi/asm-generic/unistd.h: 467 in Linux 6.12). */
const TABLE_LIMIT = 1024;

/**
 * The system calls of a guest's kernel: numbers from its sys_call_table, arguments from the records that its syscall tracing
 * is made of (struct syscall_metadata, include/trace/syscall.h; CONFIG_FTRACE_SYSCALLS). The kernel fills in the pointers of
 * both when it relocates itself, before start_kernel().
 */
export function readSyscalls(kernel: LinuxKernel): SyscallType[] {
  const numbers = tableNumbers(kernel);
  const found: SyscallType[] = [];
  for (const { name: symbol, address } of kernel.symbols) {
    if (!symbol.startsWith(RECORD)) continue;
    const name = symbol.slice(RECORD.length).replace(/^_/, '');
    const count = Number(kernel.get('syscall_metadata', address, 'nb_args'));
    const list = (path: string): string[] => {
      const at = kernel.get('syscall_metadata', address, path);
      return Array.from({ length: Math.min(count, 6) }, (_, i) => kernel.text(kernel.pointer(at + BigInt(8 * i)), 128));
    };
    const types = list('types');
    const parameters = list('args').map((parameter, i) => ({ name: parameter, type: types[i] ?? '' }));
    found.push({ name, number: numbers.get(name) ?? -1, parameters });
  }
  return found;
}

function tableNumbers(kernel: LinuxKernel): Map<string, number> {
  const numbers = new Map<string, number>();
  const table = kernel.symbols.find('sys_call_table');
  if (table === undefined) return numbers;
  for (let number = 0; number < TABLE_LIMIT; number++) {
    const near = kernel.symbols.near(kernel.pointer(table.address + BigInt(8 * number)));
    const name = near?.offset === 0 ? /^__(?:riscv|se|do)_sys_(\w+)$/.exec(near.name)?.[1] : undefined;
    if (name !== undefined) numbers.set(name, number);
    else if (near === undefined || near.offset !== 0) break;
  }
  return numbers;
}
