import { type NamedAddress, SymbolTable } from '../symbols/table.ts';
import type { LinuxKernel } from './kernel.ts';

/** A loaded kernel module. */
export interface KernelModule {
  readonly name: string;
  /** Address of its struct module. */
  readonly address: bigint;
  /** Its memory: code, data and so on, those that are not empty. */
  readonly parts: readonly { readonly base: bigint; readonly size: number }[];
}

const ELF_SYMBOL = 24;
const FUNCTION = 2;

/** Modules in the order of /proc/modules. */
export function modules(kernel: LinuxKernel): KernelModule[] {
  const out: KernelModule[] = [];
  const part = kernel.btf.sizeOf(kernel.btf.struct('module_memory'));
  const mem = kernel.field('module', 'mem');
  for (const m of kernel.list(kernel.address('modules'), 'module', 'list')) {
    const parts = Array.from({ length: mem.size / part }, (_, i) => {
      const at = m + BigInt(mem.offset + i * part);
      return { base: kernel.get('module_memory', at, 'base'), size: Number(kernel.get('module_memory', at, 'size')) };
    }).filter((p) => p.size > 0);
    out.push({ name: kernel.text(kernel.at('module', m, 'name'), 64), address: m, parts });
  }
  return out;
}

/** Symbols of a module, as kallsyms keeps them. */
export function moduleSymbols(kernel: LinuxKernel, module: KernelModule): SymbolTable {
  const tables = kernel.get('module', module.address, 'kallsyms');
  if (tables === 0n) return new SymbolTable([]);
  const count = Number(kernel.get('mod_kallsyms', tables, 'num_symtab'));
  const bytes = kernel.read(kernel.get('mod_kallsyms', tables, 'symtab'), count * ELF_SYMBOL);
  const strings = kernel.get('mod_kallsyms', tables, 'strtab');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const out: NamedAddress[] = [];
  for (let at = 0; at + ELF_SYMBOL <= bytes.length; at += ELF_SYMBOL) {
    const name = kernel.text(strings + BigInt(view.getUint32(at, true)), 512);
    if (name === '' || /^[.$]/.test(name)) continue;
    out.push({
      name,
      address: view.getBigUint64(at + 8, true),
      size: Number(view.getBigUint64(at + 16, true)),
      code: (bytes[at + 4] & 15) === FUNCTION,
    });
  }
  return new SymbolTable(out);
}
