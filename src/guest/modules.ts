/**
 * Kernel modules: what a module says of itself in its `.modinfo` section, in which order
 * modules must be loaded, and the index files `modprobe` reads (modules.dep(5), depmod(8)).
 */
import { readSections, stringAt } from './elf-sections.ts';

/** A kernel module chosen for the guest. */
export interface ModuleFile {
  /** Name as `lsmod` shows it: `-` is written `_`. */
  readonly name: string;
  /** Names of the modules it takes symbols from. */
  readonly depends: readonly string[];
  /** Names it asks to be loaded before it, where they exist. */
  readonly wantsFirst: readonly string[];
  /** Device and file-system patterns it answers to, e.g. `virtio:d00000002v*`. */
  readonly aliases: readonly string[];
}

/** The form in which the kernel compares module names. */
export const moduleName = (file: string): string =>
  file
    .replace(/^.*\//, '')
    .replace(/\.ko(\.\w+)?$/, '')
    .replaceAll('-', '_');

const words = (text: string, separator: RegExp): string[] => text.split(separator).filter((w) => w !== '');

/**
 * Reads a module's own description.
 *
 * @throws Error when the bytes are not a RISC-V kernel module.
 */
export function readModuleInfo(image: Uint8Array, file: string): ModuleFile {
  const section = readSections(image).find((s) => s.name === '.modinfo');
  if (section === undefined) throw new Error(`${file}: not a kernel module (it has no .modinfo section)`);
  const values = new Map<string, string[]>();
  for (let at = 0; at < section.data.length; ) {
    const text = stringAt(section.data, at);
    at += text.length + 1;
    const equals = text.indexOf('=');
    if (equals < 0) continue;
    const key = text.slice(0, equals);
    values.set(key, [...(values.get(key) ?? []), text.slice(equals + 1)]);
  }
  const soft = (values.get('softdep') ?? []).flatMap((s) => words(/pre:(.*?)(post:|$)/.exec(s)?.[1] ?? '', /\s+/));
  return {
    name: moduleName(values.get('name')?.[0] ?? file),
    depends: words((values.get('depends') ?? ['']).join(','), /,/).map(moduleName),
    wantsFirst: soft.map(moduleName),
    aliases: values.get('alias') ?? [],
  };
}

/** Softdeps name an algorithm rather than a module (`crypto-crc32c`): the module that carries it as an alias, or of that name. */
function provider(modules: readonly ModuleFile[], wanted: string): ModuleFile | undefined {
  return modules.find((m) => m.name === wanted) ?? modules.find((m) => m.aliases.some((a) => moduleName(a) === wanted));
}

/**
 * The modules to insert, in order, so that each one finds its symbols.
 *
 * @param known Every module there is; a dependency that is not among them is taken to be built in.
 * @throws Error when `wanted` is not among `known`, or modules depend on one another in a circle.
 */
export function loadOrder(known: readonly ModuleFile[], wanted: readonly string[]): string[] {
  const order: string[] = [];
  const onPath: string[] = [];
  const visit = (module: ModuleFile): void => {
    if (order.includes(module.name)) return;
    if (onPath.includes(module.name))
      throw new Error(`modules depend on one another: ${[...onPath, module.name].join(' → ')}`);
    onPath.push(module.name);
    for (const name of [...module.wantsFirst, ...module.depends]) {
      const found = provider(known, name);
      if (found !== undefined) visit(found);
    }
    onPath.pop();
    order.push(module.name);
  };
  for (const name of wanted) {
    const found = known.find((m) => m.name === moduleName(name));
    if (found === undefined) throw new Error(`kernel module ${name} is not in the package`);
    visit(found);
  }
  return order;
}

/** The text of modules.dep, modules.alias and modules.softdep for modules that lie as `NAME.ko` in one directory. */
export function moduleIndexes(modules: readonly ModuleFile[]): {
  readonly dep: string;
  readonly alias: string;
  readonly softdep: string;
} {
  const sorted = [...modules].sort((a, b) => (a.name < b.name ? -1 : 1));
  // modprobe wants the closure, nearest dependency first: it inserts from the last to the first.
  const dep = sorted.map(
    (m) =>
      `${m.name}.ko:${loadOrder(modules, [m.name])
        .slice(0, -1)
        .reverse()
        .map((n) => ` ${n}.ko`)
        .join('')}\n`,
  );
  const alias = sorted.flatMap((m) => [...m.aliases].sort().map((a) => `alias ${a} ${m.name}\n`));
  const softdep = sorted
    .filter((m) => m.wantsFirst.length > 0)
    .map((m) => `softdep ${m.name} pre: ${m.wantsFirst.join(' ')}\n`);
  return { dep: dep.join(''), alias: alias.join(''), softdep: softdep.join('') };
}
