import { type DescribedFunction, type FrameRow, TRAP_PC, writeCallFrames } from '../symbols/dwarf/call-frame-writer.ts';
import type { MemorySection, WrittenSymbol } from '../symbols/elf-writer.ts';
import { framesOfCode } from './code-frames.ts';
import type { LinuxKernel } from './kernel.ts';

const SP = 2;
/** SYSTEM_FREEING_INITMEM of `enum system_states`. */
const FREEING_INITMEM = 2n;
const INTEGERS = 32;
/** Bytes of code read at once. */
const PIECE = 1 << 20;
/** Where nobody called: the first functions of the kernel, of harts and of tasks (arch/riscv/kernel/{head,entry}.S). */
const OUTERMOST: ReadonlySet<string> = new Set([
  '_start_kernel',
  'relocate_enable_mmu',
  'secondary_start_sbi',
  'secondary_start_common',
  'ret_from_fork',
  'ret_from_fork_user',
  'ret_from_fork_user_asm',
  'ret_from_fork_kernel',
  'ret_from_fork_kernel_asm',
]);
/** `sd x, 0(sp)`: saves the interrupted program counter, after all integer registers (arch/riscv/kernel/entry.S). */
const SAVES_PC = { mask: 0xfe0f_ffff, match: 0x0001_3023 };

/** Saved registers where sp is the address of a `struct pt_regs`: pc, then x1 to x31 (arch/riscv/include/asm/ptrace.h). */
const PT_REGS: ReadonlyMap<number, number> = new Map([
  [TRAP_PC, 0],
  ...Array.from({ length: INTEGERS - 1 }, (_, i) => [i + 1, 8 * (i + 1)] as const),
]);

/** Call frame information of the kernel's code, and its modules', made from the code itself: a section .debug_frame. */
export function kernelFrames(
  kernel: LinuxKernel,
  memory: readonly MemorySection[],
  symbols: readonly WrittenSymbol[],
): Uint8Array {
  const functions: DescribedFunction[] = [];
  const sections = memory.map((section) => (section.code ? readCode(kernel, section) : new Uint8Array(0)));
  const gone = freedCode(kernel);
  let done = 0n;
  for (const { name, address, size, code, section } of symbols) {
    if (!code || section === undefined || size < 2 || address < done) continue;
    if (address >= gone.start && address < gone.end) continue;
    const at = Number(address - memory[section].start);
    const bytes = sections[section].subarray(at, at + size);
    const end = address + BigInt(bytes.length);
    if (end === address) continue;
    done = end;
    functions.push(...describe(name, address, end, bytes));
  }
  return writeCallFrames(functions);
}

/** Code that only the boot needed and whose memory has been given away: something else lies there (`free_initmem`). */
function freedCode(kernel: LinuxKernel): { readonly start: bigint; readonly end: bigint } {
  const [state, start, end] = ['system_state', '_sinittext', '_einittext'].map((n) => kernel.symbols.find(n)?.address);
  if (state === undefined || start === undefined || end === undefined) return { start: 0n, end: 0n };
  return kernel.value(state, 4) < FREEING_INITMEM ? { start: 0n, end: 0n } : { start, end };
}

function describe(name: string, start: bigint, end: bigint, code: Uint8Array): readonly DescribedFunction[] {
  const trap = (from: bigint): DescribedFunction => ({
    start: from,
    end,
    kind: 'trap',
    rows: [{ at: from, cfa: { register: SP, offset: 0 }, saved: PT_REGS } satisfies FrameRow],
  });
  if (name === 'ret_from_exception') return [trap(start)];
  if (name === 'handle_exception') {
    const saved = savesPc(code);
    return saved === undefined ? [] : [trap(start + BigInt(saved))];
  }
  return [{ start, end, rows: framesOfCode(start, code), kind: OUTERMOST.has(name) ? 'outermost' : 'call' }];
}

/** The offset after the instruction that saves the program counter. */
function savesPc(code: Uint8Array): number | undefined {
  const view = new DataView(code.buffer, code.byteOffset, code.byteLength);
  for (let at = 0; at + 2 <= code.length; ) {
    const half = view.getUint16(at, true);
    const long = (half & 3) === 3;
    if (long && at + 4 <= code.length && (view.getUint32(at, true) & SAVES_PC.mask) >>> 0 === SAVES_PC.match)
      return at + 4;
    at += long ? 4 : 2;
    // c.sdsp x, 0(sp)
    if (!long && (half & 0xff83) === 0xe002) return at;
  }
  return undefined;
}

function readCode(kernel: LinuxKernel, { start, end }: MemorySection): Uint8Array {
  const code = new Uint8Array(Number(end - start));
  for (let at = 0; at < code.length; at += PIECE)
    code.set(kernel.read(start + BigInt(at), Math.min(PIECE, code.length - at)), at);
  return code;
}
