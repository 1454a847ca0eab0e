import { type MemorySection, type WrittenSymbol, writeSymbolFile } from '../symbols/elf-writer.ts';
import type { NamedAddress } from '../symbols/table.ts';
import { KIND } from './btf.ts';
import { btfToDwarf, type TypedSymbol } from './btf-dwarf.ts';
import type { LinuxKernel } from './kernel.ts';
import { kernelFrames } from './kernel-frames.ts';
import { moduleSymbols, modules } from './modules.ts';

/** Variables that BTF leaves out and people ask for, by their types. */
const GLOBALS: Readonly<Record<string, string>> = {
  init_task: 'task_struct',
  init_mm: 'mm_struct',
  init_net: 'net',
  init_uts_ns: 'uts_namespace',
  init_pid_ns: 'pid_namespace',
  init_nsproxy: 'nsproxy',
  init_cred: 'cred',
  jiffies: 'unsigned long',
  jiffies_64: 'u64',
  modules: 'list_head',
  super_blocks: 'list_head',
};
/** Bytes after a region's last symbol, where nothing says where it ends. */
const TAIL = 16n;

/** A stretch of memory whose symbols are known, such as the kernel or a part of a module. */
interface Region {
  readonly name: string;
  readonly end: bigint;
  readonly symbols: readonly NamedAddress[];
}

/**
 * The kernel as it runs, and its modules, as a file that gdb and others read: symbols by kallsyms, types and prototypes by BTF, call frames by its
 * code. It holds no code: that is in the machine's memory.
 */
export function kernelElf(kernel: LinuxKernel): Uint8Array {
  const end = kernel.symbols.find('_end')?.address;
  const own: Region = { name: '', end: end ?? 0n, symbols: [...kernel.symbols] };
  const regions = [own, ...moduleRegions(kernel)];
  const memory: MemorySection[] = [];
  const symbols: WrittenSymbol[] = [];
  for (const region of regions) addRegion(region, memory, symbols);
  const start = memory[0]?.start ?? 0n;
  const { functions, variables } = typedSymbols(kernel, symbols);
  return writeSymbolFile(memory, symbols, {
    ...btfToDwarf(kernel.btf, functions, variables, { start, end: own.end || start }),
    '.debug_frame': kernelFrames(kernel, memory, symbols),
  });
}

function moduleRegions(kernel: LinuxKernel): Region[] {
  return modules(kernel).flatMap((module) => {
    const all = [...moduleSymbols(kernel, module)];
    return module.parts.map(({ base, size }) => {
      const end = base + BigInt(size);
      return { name: module.name, end, symbols: all.filter(({ address }) => address >= base && address < end) };
    });
  });
}

/** Adds a region's symbols, and sections of the stretches in which they are all code or all data. */
function addRegion(region: Region, memory: MemorySection[], out: WrittenSymbol[]): void {
  const { name, symbols } = region;
  const inside = symbols.filter(({ address }) => region.end === 0n || address < region.end);
  let first = 0;
  for (let i = 1; i <= inside.length; i++) {
    const { code, address } = inside[first];
    // Labels at one address belong together.
    if (i < inside.length && (inside[i].code === code || inside[i].address === address)) continue;
    const last = inside[i - 1];
    const end = inside[i]?.address ?? (region.end || last.address + BigInt(last.size) + TAIL);
    const kind = code ? '.text' : '.data';
    memory.push({ name: name === '' ? kind : `${kind}.${name}`, start: address, end, code });
    for (let k = first; k < i; k++) {
      const { name: text, address: at, size, code: isCode } = inside[k];
      let next = k + 1;
      while (next < i && inside[next].address === at) next++;
      const reach = Number((inside[next]?.address ?? end) - at);
      const section = memory.length - 1;
      out.push({ name: text, address: at, size: size || reach, code: isCode, global: false, section });
    }
    first = i;
  }
}

/** The functions and variables that types are known of: those whose name stands for one address. */
function typedSymbols(
  kernel: LinuxKernel,
  symbols: readonly WrittenSymbol[],
): { readonly functions: readonly TypedSymbol[]; readonly variables: readonly TypedSymbol[] } {
  const { btf } = kernel;
  const places = new Map<string, WrittenSymbol | undefined>();
  for (const symbol of symbols) places.set(symbol.name, places.has(symbol.name) ? undefined : symbol);
  const functions: TypedSymbol[] = [];
  const variables: TypedSymbol[] = [];
  for (let number = 1; number <= btf.count; number++) {
    const { kind, name, value } = btf.record(number);
    if (kind !== KIND.FUNC && kind !== KIND.VAR) continue;
    const symbol = places.get(btf.name(name));
    if (symbol === undefined || symbol.code !== (kind === KIND.FUNC)) continue;
    (symbol.code ? functions : variables).push({ address: symbol.address, size: symbol.size, type: value, name });
  }
  for (const [name, typeName] of Object.entries(GLOBALS)) {
    const symbol = places.get(name);
    const type = btf.named(typeName);
    if (symbol && !symbol.code && type !== undefined)
      variables.push({ address: symbol.address, size: symbol.size, type, name });
  }
  return { functions, variables };
}
